-- Records that a retraining began. The first record of a run stays.
-- params: run_id text, model text, incident_id bigint or NULL, at timestamptz, cost double precision
-- returns: nothing
INSERT INTO retraining (run_id, model, incident_id, started_at, cost)
VALUES (
    %(run_id)s::text, %(model)s::text, %(incident_id)s::bigint, %(at)s::timestamptz, %(cost)s::double precision
)
ON CONFLICT DO NOTHING
