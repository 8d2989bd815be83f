-- The present of each monitored model: the end of the newest hour with an answered row. In a replay that is the past.
CREATE OR REPLACE VIEW model_present AS
SELECT
    monitored_model.model,
    max(newest.bucket_start) + interval '1 hour' AS present
FROM monitored_model
LEFT JOIN reference_profile ON monitored_model.model = reference_profile.model
LEFT JOIN LATERAL (
    SELECT row_rollup.bucket_start
    FROM row_rollup
    WHERE row_rollup.model = reference_profile.model AND row_rollup.version = reference_profile.version
    ORDER BY row_rollup.bucket_start DESC
    LIMIT 1
) AS newest ON true
GROUP BY monitored_model.model
