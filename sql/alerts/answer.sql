-- Records the answer to an alert.
-- params: alert_id bigint, answer text, reason text
-- returns: nothing
UPDATE alert
SET
    answer = %(answer)s::text,
    reason = %(reason)s::text,
    answered_at = clock_timestamp()
WHERE alert_id = %(alert_id)s::bigint
