-- Four releases of demand and one of churn.
INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent, created_at,
    promoted_at, ended_at, reason)
VALUES
('demand', 1, 'demand-v1', 'i', 'd', 'manual__first', 'retired', 0, %(since)s, %(since)s,
    %(since)s + make_interval(hours => 12 * %(days)s), NULL),
('demand', 2, 'demand-v2', 'i', 'd', 'retrain__demand__incident_1', 'champion', 80,
    %(since)s + make_interval(hours => 12 * %(days)s) - interval '1 hour',
    %(since)s + make_interval(hours => 12 * %(days)s), NULL, NULL),
('demand', 3, 'demand-v3', 'i', 'd', 'retrain__demand__incident_4', 'rolled_back', 0,
    %(until)s - interval '6 days', NULL, %(until)s - interval '6 days' + interval '40 minutes',
    'failed requests: 9 of 40 requests, the champion 1 of 760 <a difference between 8 %% and 40 %%>'),
('demand', 4, 'demand-v4', 'i', 'd', 'retrain__demand__incident_5', 'canary', 20, %(until)s - interval '90 minutes',
    NULL, NULL, NULL),
('churn', 1, 'churn-v1', 'i', 'd', 'manual__churn', 'champion', 100, %(since)s, %(since)s, NULL, NULL);
INSERT INTO release_record (model, release_id, generation)
SELECT model, release_id, 1 FROM release WHERE state = 'champion'
