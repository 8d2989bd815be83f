-- Answer a question. The first answer counts. A person can answer until the deadline, and after it only the deadline
-- can.
-- params: release_id bigint, answer text, answered_by text (NULL for the deadline), because text, at timestamptz
--   (event time)
-- returns: nothing
UPDATE approval
SET
    answer = %(answer)s::text,
    answered_by = %(answered_by)s::text,
    because = %(because)s::text,
    answered_at = %(at)s::timestamptz
WHERE
    release_id = %(release_id)s::bigint
    AND answer IS NULL
    AND (deadline <= clock_timestamp()) = (%(answer)s::text = 'expired')
