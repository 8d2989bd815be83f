-- The releases of a version, the oldest first.
-- params: model text, version integer
-- returns: release_id, run_id, revision, image, image_digest, state, traffic_percent, created_at, promoted_at,
--   ended_at, reason
SELECT
    release_id,
    run_id,
    revision,
    image,
    image_digest,
    state,
    traffic_percent,
    created_at,
    promoted_at,
    ended_at,
    reason
FROM release
WHERE model = %(model)s::text AND version = %(version)s::integer
ORDER BY release_id
