-- Adds an alarm to an incident, once for each source.
-- params: incident_id bigint, source text, at timestamptz, detail jsonb
-- returns: nothing
INSERT INTO incident_alarm (incident_id, source, at, detail)
VALUES (%(incident_id)s::bigint, %(source)s::text, %(at)s::timestamptz, %(detail)s::jsonb)
ON CONFLICT DO NOTHING
