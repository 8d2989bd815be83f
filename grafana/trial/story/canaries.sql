-- The canary steps of three releases.
INSERT INTO release_step (release_id, step_number, traffic_percent, verdict, goes_on, started_at, ended_at, detail)
SELECT release_id, step, (ARRAY[5, 20, 50, 100])[step],
    CASE WHEN state = 'rolled_back' AND step = 2 THEN 'failed' WHEN state = 'canary' AND step = 2 THEN 'inconclusive'
    ELSE 'passed' END,
    CASE WHEN state = 'rolled_back' AND step = 2 THEN false WHEN state = 'canary' AND step = 2 THEN NULL ELSE true END,
    created_at + step * interval '10 minutes',
    CASE WHEN state != 'canary' OR step < 2 THEN created_at + (step + 1) * interval '10 minutes' END,
    '{"reason": "760 requests, failed requests: 1 of 760", "numbers": {
    "candidate_failure_share": 0.002, "candidate_failure_share_samples": 400, "champion_failure_share": 0.001,
    "champion_failure_share_samples": 7600, "failure_share_low": -0.002, "failure_share_high": 0.006,
    "failure_share_limit": 0.01, "candidate_latency_mean_ms": 6.1, "candidate_latency_mean_ms_samples": 400,
    "champion_latency_mean_ms": 5.8, "champion_latency_mean_ms_samples": 7600, "latency_mean_ms_low": 5.9,
    "latency_mean_ms_high": 6.4, "latency_mean_ms_limit": 8.7, "candidate_error": 9.4,
    "candidate_error_samples": 120, "champion_error": 10.2, "champion_error_samples": 2300, "error_low": 8.6,
    "error_high": 10.4, "error_limit": 12.2}}'
FROM release CROSS JOIN generate_series(1, 4) AS step
WHERE model = 'demand' AND version > 1 AND (state = 'champion' OR step <= 2)
