-- Adds what an instance counted since its last flush. The same flush sent again changes nothing.
-- params: instance_id text, flush_number bigint, model text, version integer, revision text,
--   buckets jsonb: [{bucket_start, requests, rejected, failures, latency_ms_sum, latency_counts}, …]
-- returns: nothing
INSERT INTO request_stat (
    instance_id,
    flush_number,
    model,
    version,
    revision,
    bucket_start,
    requests,
    rejected,
    failures,
    latency_ms_sum,
    latency_counts
)
SELECT
    %(instance_id)s::text AS instance_id,
    %(flush_number)s::bigint AS flush_number,
    %(model)s::text AS model,
    %(version)s::integer AS version,
    %(revision)s::text AS revision,
    bucket_start,
    requests,
    rejected,
    failures,
    latency_ms_sum,
    latency_counts
FROM
    jsonb_to_recordset(%(buckets)s::jsonb)
        AS buckets (
            bucket_start timestamptz,
            requests bigint,
            rejected bigint,
            failures bigint,
            latency_ms_sum double precision,
            latency_counts bigint[]
        )
ON CONFLICT DO NOTHING
