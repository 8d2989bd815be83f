-- The predictions of a version by day: the share of each bin of the reference's predictions.
CREATE OR REPLACE VIEW prediction_day AS
SELECT
    counted.model,
    counted.version,
    counted.day,
    counted.bin,
    bin_name(known.bin, known.category, known.lower_bound, known.upper_bound) AS name,
    counted.rows,
    counted.rows / nullif(sum(counted.rows) OVER (PARTITION BY counted.model, counted.version, counted.day), 0)
    ::double precision AS share
FROM (
    SELECT
        model,
        version,
        date_trunc('day', bucket_start, 'UTC') AS day,
        bin,
        sum(count)::bigint AS rows
    FROM feature_rollup
    WHERE feature = 'prediction'
    GROUP BY model, version, date_trunc('day', bucket_start, 'UTC'), bin
) AS counted
LEFT JOIN reference_bin AS known
    ON
        counted.model = known.model
        AND counted.version = known.version
        AND known.feature = 'prediction'
        AND counted.bin = known.bin
