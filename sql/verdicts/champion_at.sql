-- The version that served at a moment by the release record, with its accepted error.
-- A promotion that was rolled back by then does not count, so that the one before it counts again. The record moves to
-- newer releases only, so the newest one counts, even if a clock was set back between two promotions.
-- params: model text, at timestamptz
-- returns: version integer, metric text, accepted_error double precision. No row before the first promotion, after
--   the model was retired, or when the version that served has no reference profile.
WITH champion AS (
    SELECT
        model,
        version,
        ended_at
    FROM release
    WHERE
        model = %(model)s::text
        AND promoted_at <= %(at)s::timestamptz
        AND NOT (state = 'rolled_back' AND coalesce(ended_at <= %(at)s::timestamptz, true))
    ORDER BY release_id DESC
    LIMIT 1
)

SELECT
    champion.version,
    reference_profile.metric,
    reference_profile.accepted_error
FROM champion
INNER JOIN reference_profile
    ON
        champion.model = reference_profile.model
        AND champion.version = reference_profile.version
WHERE coalesce(champion.ended_at > %(at)s::timestamptz, true)
