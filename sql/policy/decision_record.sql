-- Records what a run decided, once; the first one stays.
-- params: model text, run_id text, at timestamptz, version integer or NULL, action text, reason text,
--   incident_id bigint or NULL
-- returns: nothing
INSERT INTO decision (model, run_id, at, version, action, reason, incident_id)
VALUES (
    %(model)s::text, %(run_id)s::text, %(at)s::timestamptz, %(version)s::integer, %(action)s::text,
    %(reason)s::text, %(incident_id)s::bigint
)
ON CONFLICT (model, run_id) DO NOTHING
