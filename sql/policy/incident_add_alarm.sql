-- Adds an alarm to an incident. The same source with the same detail is a repeat, with another detail it is kept too.
-- params: incident_id bigint, source text, at timestamptz, detail jsonb
-- returns: nothing
INSERT INTO incident_alarm (incident_id, source, at, detail)
VALUES (%(incident_id)s::bigint, %(source)s::text, %(at)s::timestamptz, %(detail)s::jsonb)
ON CONFLICT DO NOTHING
