-- Note a new candidate. A run has at most one candidate, and the first note counts.
-- params: model text, version integer, revision text, image text, image_digest text, run_id text,
--   created_at timestamptz
INSERT INTO release (
    model,
    version,
    revision,
    image,
    image_digest,
    run_id,
    state,
    traffic_percent,
    created_at
)
VALUES (
    %(model)s::text, %(version)s::integer, %(revision)s::text, %(image)s::text, %(image_digest)s::text,
    %(run_id)s::text, 'candidate', 0, %(created_at)s::timestamptz
)
ON CONFLICT (model, run_id) DO NOTHING
