-- Notes that a route has carried a message.
-- params: message_id bigint, route text
-- returns: nothing
UPDATE message
SET sent_by = array_append(array_remove(sent_by, %(route)s::text), %(route)s::text)
WHERE message_id = %(message_id)s::bigint
