-- The rows of each version by hour, feature and bin, as drift checks count them.
CREATE OR REPLACE VIEW bin_hour AS
SELECT
    model,
    version,
    feature,
    bucket_start AS start,
    bin,
    count AS rows
FROM feature_rollup
