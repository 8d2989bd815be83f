-- Closes an open incident. The first outcome stays.
-- params: incident_id bigint, at timestamptz, outcome text
-- returns: nothing
UPDATE incident
SET closed_at = %(at)s::timestamptz, outcome = %(outcome)s::text
WHERE incident_id = %(incident_id)s::bigint AND closed_at IS NULL
