-- Estimate of the mean error of the predictions in the window, in the unit of the accepted error.
-- Each prediction counts with the mean error of its bin, on rows that were kept from training. It needs no labels, and
-- it cannot see concept drift.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject, value, sample_size (predictions)
WITH counted AS (
    SELECT
        bin,
        sum(count) AS n
    FROM feature_rollup
    WHERE
        model = %(model)s::text
        AND version = %(version)s::integer
        AND feature = 'prediction'
        AND bucket_start >= %(window_start)s::timestamptz
        AND bucket_start < %(window_end)s::timestamptz
    GROUP BY bin
)

SELECT
    'all' AS subject,
    sum(counted.n * reference_bin.expected_error) / sum(counted.n) AS value,
    coalesce(sum(counted.n), 0)::bigint AS sample_size
FROM counted
INNER JOIN reference_bin
    ON
        counted.bin = reference_bin.bin
        AND reference_bin.model = %(model)s::text
        AND reference_bin.version = %(version)s::integer
        AND reference_bin.feature = 'prediction'
        AND reference_bin.expected_error IS NOT NULL
