-- Closes an open incident. A later outcome replaces the first one only if its retraining ran again and brought more:
-- a promotion counts more than a kept champion, and either counts more than a failure.
-- params: incident_id bigint, at timestamptz, outcome text
-- returns: nothing
UPDATE incident
SET
    closed_at = coalesce(closed_at, %(at)s::timestamptz),
    answered_at = coalesce(answered_at, clock_timestamp()),
    outcome = %(outcome)s::text
WHERE
    incident_id = %(incident_id)s::bigint
    AND (
        closed_at IS NULL
        OR (outcome = 'failed' AND %(outcome)s::text != 'failed')
        OR (outcome = 'kept_champion' AND %(outcome)s::text = 'promoted')
    )
