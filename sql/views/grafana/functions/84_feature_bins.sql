-- The bins of one feature of a version, or of its prediction: the share of the rows answered in a window, and of the
-- reference's rows, with a name to show. It runs as its owner, as latency_series() does.
CREATE OR REPLACE FUNCTION feature_bins(
    of_model text, of_version integer, of_feature text, since timestamptz, until timestamptz
) RETURNS TABLE (
    bin integer,
    name text,
    served_share double precision,
    reference_share double precision,
    rows bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
WITH served AS (
    SELECT
        feature_rollup.bin,
        sum(feature_rollup.count)::bigint AS rows
    FROM feature_rollup
    WHERE
        feature_rollup.model = of_model
        AND feature_rollup.version = of_version
        AND feature_rollup.feature = of_feature
        AND feature_rollup.bucket_start >= since
        AND feature_rollup.bucket_start <= until
    GROUP BY feature_rollup.bin
),

known AS (
    SELECT
        known_bin.bin,
        known_bin.count,
        known_bin.name
    FROM known_bin
    WHERE
        known_bin.model = of_model
        AND known_bin.version = of_version
        AND known_bin.feature = of_feature
)

SELECT
    bin,
    coalesce(known.name, bin_name(bin, NULL, NULL, NULL)) AS name,
    served.rows / nullif(sum(served.rows) OVER (), 0)::double precision AS served_share,
    known.count / nullif(sum(known.count) OVER (), 0)::double precision AS reference_share,
    coalesce(served.rows, 0) AS rows
FROM known
FULL JOIN served USING (bin)
ORDER BY bin < 0, bin
$$
