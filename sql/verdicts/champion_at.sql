-- The version that served at a moment, with its accepted error.
-- A promotion that was rolled back by then does not count, so that the one before it counts again.
-- params: model text, at timestamptz
-- returns: version integer, metric text, accepted_error double precision. No row before the first promotion.
SELECT
    release.version,
    reference_profile.metric,
    reference_profile.accepted_error
FROM release
INNER JOIN reference_profile
    ON
        release.model = reference_profile.model
        AND release.version = reference_profile.version
WHERE
    release.model = %(model)s::text
    AND release.promoted_at <= %(at)s::timestamptz
    AND NOT (release.state = 'rolled_back' AND coalesce(release.ended_at <= %(at)s::timestamptz, true))
ORDER BY release.promoted_at DESC, release.release_id DESC
LIMIT 1
