-- One release.
-- params: release_id bigint
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
WHERE release_id = %(release_id)s::bigint
