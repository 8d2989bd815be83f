-- Notes the end of an attempt: over when every route has carried the message, or when it is given up.
-- params: message_id bigint, failure text (NULL: none failed), patience interval (wall time until it is given up)
-- returns: is_over
UPDATE message
SET
    attempts = attempts + 1,
    failure = %(failure)s::text,
    is_over = %(failure)s::text IS NULL OR noted_at <= now() - %(patience)s::interval
WHERE message_id = %(message_id)s::bigint
RETURNING is_over
