-- Adds the request statistics that became visible between two snapshots, by hour.
-- params: model text, since text, now text (both a pg_snapshot)
-- returns: nothing
WITH news AS (
    SELECT
        version,
        date_bin('1 hour', bucket_start, '2000-01-01T00:00Z') AS bucket_start,
        requests,
        rejected,
        failures,
        latency_ms_sum,
        latency_counts
    FROM request_stat
    WHERE
        model = %(model)s::text
        AND became_visible(stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
),

latency AS (
    SELECT
        news.version,
        news.bucket_start,
        latency.bin,
        sum(latency.count)::bigint AS count
    FROM news
    CROSS JOIN LATERAL unnest(news.latency_counts) WITH ORDINALITY AS latency (count, bin)
    GROUP BY news.version, news.bucket_start, latency.bin
),

histogram AS (
    SELECT
        version,
        bucket_start,
        array_agg(count ORDER BY bin) AS latency_counts
    FROM latency
    GROUP BY version, bucket_start
),

total AS (
    SELECT
        version,
        bucket_start,
        sum(requests) AS requests,
        sum(rejected) AS rejected,
        sum(failures) AS failures,
        sum(latency_ms_sum::numeric) AS latency_ms_sum
    FROM news
    GROUP BY version, bucket_start
)

INSERT INTO request_rollup AS known (
    model, version, bucket_start, requests, rejected, failures, latency_ms_sum, latency_counts
)
SELECT
    %(model)s::text AS model,
    total.version,
    total.bucket_start,
    total.requests,
    total.rejected,
    total.failures,
    total.latency_ms_sum,
    histogram.latency_counts
FROM total
INNER JOIN histogram
    ON
        total.version = histogram.version
        AND total.bucket_start = histogram.bucket_start
ON CONFLICT (model, version, bucket_start) DO UPDATE SET
    requests = known.requests + excluded.requests,
    rejected = known.rejected + excluded.rejected,
    failures = known.failures + excluded.failures,
    latency_ms_sum = known.latency_ms_sum + excluded.latency_ms_sum,
    latency_counts = add_elements(known.latency_counts, excluded.latency_counts)
