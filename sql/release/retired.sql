-- The releases that were champions before another one and were not rolled back: those one can return to.
-- params: model text, release_id bigint (the present champion)
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
WHERE
    model = %(model)s::text
    AND release_id < %(release_id)s::bigint
    AND state = 'retired'
ORDER BY release_id DESC
