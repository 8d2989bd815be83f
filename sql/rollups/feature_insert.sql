-- Counts the served rows of whole hours by reference bin, for every feature of their version's profile.
-- Bin -1: missing. Bin -2: the reference has no bin for it. A multiclass prediction is its likeliest class.
-- params: model text, start timestamptz, stop timestamptz (whole hours)
-- returns: nothing
WITH reference AS (
    SELECT
        version,
        feature,
        bin,
        lower_bound,
        category,
        bin >= 0 AND category IS NULL AS is_range
    FROM reference_bin
    WHERE model = %(model)s::text
),

feature AS (
    SELECT
        version,
        feature,
        -- Outer bins are open, so the first lower bound is no edge.
        (array_agg(lower_bound ORDER BY lower_bound NULLS FIRST) FILTER (WHERE is_range))[2:] AS edges,
        array_agg(bin ORDER BY lower_bound NULLS FIRST) FILTER (WHERE is_range) AS number_bins,
        jsonb_object_agg(category, bin) FILTER (WHERE category IS NOT NULL) AS category_bins
    FROM reference
    GROUP BY version, feature
),

observed AS (
    SELECT
        feature.version,
        feature.feature,
        feature.edges,
        feature.number_bins,
        feature.category_bins,
        date_trunc('hour', prediction_log.created_at, 'UTC') AS bucket_start,
        CASE
            WHEN feature.feature != 'prediction' THEN prediction_log.input -> feature.feature
            WHEN jsonb_typeof(prediction_log.prediction) = 'object'
                THEN (
                    SELECT to_jsonb(class.key)
                    FROM jsonb_each(prediction_log.prediction) AS class
                    ORDER BY class.value DESC, class.key ASC
                    LIMIT 1
                )
            ELSE prediction_log.prediction
        END AS value
    FROM prediction_log
    INNER JOIN feature ON prediction_log.version = feature.version
    WHERE
        prediction_log.model = %(model)s::text
        AND prediction_log.created_at >= %(start)s::timestamptz
        AND prediction_log.created_at < %(stop)s::timestamptz
),

binned AS (
    SELECT
        version,
        feature,
        bucket_start,
        CASE
            WHEN coalesce(jsonb_typeof(value), 'null') = 'null' THEN -1
            WHEN category_bins IS NOT NULL THEN coalesce((category_bins ->> (value #>> '{}'))::integer, -2)
            ELSE coalesce(number_bins[1 + width_bucket(bounded_number(value), edges)], -2)
        END AS bin
    FROM observed
)

INSERT INTO feature_rollup (model, version, feature, bucket_start, bin, count)
SELECT
    %(model)s::text AS model,
    version,
    feature,
    bucket_start,
    bin,
    count(*) AS count
FROM binned
GROUP BY version, feature, bucket_start, bin
