-- Records the decision of a run, or the answer to a request. Once it has an incident, the record stays. One that led to
-- nothing is replaced when the run or the request decides again.
-- params: model text, run_id text, at timestamptz, version integer or NULL, action text, reason text, cause text or
--   NULL, incident_id bigint or NULL, asked_by text or NULL, because text or NULL, despite text[] or NULL
-- returns: nothing
INSERT INTO decision (
    model, run_id, at, version, action, reason, cause, incident_id, asked_by, because, despite
)
VALUES (
    %(model)s::text, %(run_id)s::text, %(at)s::timestamptz, %(version)s::integer, %(action)s::text,
    %(reason)s::text, %(cause)s::text, %(incident_id)s::bigint, %(asked_by)s::text, %(because)s::text,
    %(despite)s::text[]
)
ON CONFLICT (model, run_id) DO UPDATE SET
    at = excluded.at,
    version = excluded.version,
    action = excluded.action,
    reason = excluded.reason,
    cause = excluded.cause,
    incident_id = excluded.incident_id,
    because = excluded.because,
    despite = excluded.despite
WHERE decision.incident_id IS NULL
