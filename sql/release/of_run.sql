-- The release that a run made.
-- params: run_id text
-- returns: the release, one row or none
SELECT
    release_id,
    model,
    version,
    revision,
    image,
    image_digest,
    run_id,
    state,
    traffic_percent,
    created_at,
    promoted_at,
    ended_at,
    reason
FROM release
WHERE run_id = %(run_id)s::text
