-- The release that was champion before another one, and was not rolled back.
-- params: model text, release_id bigint
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
WHERE
    model = %(model)s::text
    AND release_id < %(release_id)s::bigint
    AND state = 'retired'
ORDER BY release_id DESC
LIMIT 1
