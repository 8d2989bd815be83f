-- The releases of a model that are over.
-- params: model text
-- returns: the releases, the newest first
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
WHERE model = %(model)s::text AND state IN ('retired', 'rolled_back')
ORDER BY release_id DESC
