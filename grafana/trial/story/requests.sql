-- Requests by ten minutes, and by the hour. The revision of version 2 is another since its calibration, half a day ago.
INSERT INTO request_stat (instance_id, flush_number, model, version, revision, bucket_start, requests, rejected,
    failures, latency_ms_sum, latency_counts)
SELECT 'instance', number, 'demand', CASE WHEN number > 72 * %(days)s THEN 1 ELSE 2 END,
    CASE WHEN number > 72 * %(days)s THEN 'demand-v1' WHEN number > 72 THEN 'demand-v2' ELSE 'demand-v2-c2' END,
    %(until)s - number * interval '10 minutes', 100, 2, number %% 50 / 49, 500, '{0,0,70,20,6,3,1,0,0,0,0,0,0}'
FROM generate_series(1, 144 * %(days)s) AS number;
INSERT INTO request_stat (instance_id, flush_number, model, version, revision, bucket_start, requests, rejected,
    failures, latency_ms_sum, latency_counts)
SELECT 'churning', number, 'churn', 1, 'churn', %(until)s - number * interval '1 hour', 10, 0, 0, 50,
    '{0,0,10,0,0,0,0,0,0,0,0,0,0}'
FROM generate_series(1, 24 * %(days)s) AS number
