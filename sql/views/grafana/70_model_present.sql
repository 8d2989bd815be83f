-- The present of each model that is monitored or serves: the end of the newest hour with a logged row. In a replay that
-- is the past. NULL where no row was ever logged.
CREATE OR REPLACE VIEW model_present AS
SELECT
    known.model,
    max(newest.bucket_start) + interval '1 hour' AS present
FROM (
    SELECT model
    FROM monitored_model
    UNION
    SELECT model
    FROM release_record
) AS known
LEFT JOIN reference_profile ON known.model = reference_profile.model
LEFT JOIN LATERAL (
    SELECT row_rollup.bucket_start
    FROM row_rollup
    WHERE row_rollup.model = reference_profile.model AND row_rollup.version = reference_profile.version
    ORDER BY row_rollup.bucket_start DESC
    LIMIT 1
) AS newest ON true
GROUP BY known.model
