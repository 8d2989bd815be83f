-- The rows of a window and of the version's reference by bin, for each feature but the calendar's and for the
-- prediction. Bin -1 holds missing values, and bin -2 values that the reference does not know.
-- p, q: the shares of a feature's rows in the window and in the reference, NULL where it has none.
-- observed: the rows that were counted. Where an hour was sampled, p weighs them by the rows they stand for.
-- center: the middle of a bin of numbers, or the bound of an open one, both within bounded_float().
-- is_outside: whether the bin lies beyond the numbers of the reference.
CREATE OR REPLACE FUNCTION window_bins(
    of_model text, of_version integer, window_start timestamptz, window_end timestamptz
) RETURNS TABLE (
    feature text,
    bin integer,
    is_number boolean,
    is_outside boolean,
    center double precision,
    observed bigint,
    expected bigint,
    p double precision,
    q double precision
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
WITH reference AS (
    SELECT
        feature,
        bin,
        count,
        bin >= 0 AND category IS NULL AS is_number,
        (lower_bound IS NULL OR upper_bound IS NULL) AND count = 0 AS is_outside,
        coalesce(
            (bounded_float(lower_bound) + bounded_float(upper_bound)) / 2,
            bounded_float(lower_bound),
            bounded_float(upper_bound)
        ) AS center
    FROM reference_bin
    WHERE model = of_model AND version = of_version AND NOT is_calendar
),

rolled_up AS (
    SELECT
        feature,
        bin,
        sum(count)::bigint AS count,
        sum(sampled)::bigint AS sampled
    FROM feature_rollup
    WHERE
        model = of_model
        AND version = of_version
        AND bucket_start >= window_start
        AND bucket_start < window_end
        AND feature IN (SELECT feature FROM reference)
    GROUP BY feature, bin
),

joined AS (
    SELECT
        feature,
        bin,
        coalesce(is_number, false) AS is_number,
        coalesce(is_number AND is_outside, false) AS is_outside,
        center,
        coalesce(rolled_up.sampled, 0) AS observed,
        coalesce(rolled_up.count, 0) AS estimated,
        coalesce(reference.count, 0) AS expected
    FROM reference
    FULL JOIN rolled_up USING (feature, bin)
)

SELECT
    feature,
    bin,
    is_number,
    is_outside,
    center,
    observed,
    expected,
    estimated / nullif(sum(estimated) OVER (PARTITION BY feature), 0)::double precision AS p,
    expected / nullif(sum(expected) OVER (PARTITION BY feature), 0)::double precision AS q
FROM joined
$$
