-- Five incidents with their retrainings and gates: promoted, refused, failed, rolled back, under way.
INSERT INTO incident (model, opened_at, closed_at, outcome, reason)
SELECT 'demand', at, closed_at, outcome, reason FROM (VALUES
    (1, %(since)s + make_interval(hours => 12 * %(days)s) - interval '2 hours',
        %(since)s + make_interval(hours => 12 * %(days)s), 'promoted', 'error 13 is above 12'),
    (2, %(until)s - interval '25 days', %(until)s - interval '25 days' + interval '30 minutes', 'kept_champion',
        'error 12.4 is above 12'),
    (3, %(until)s - interval '12 days', %(until)s - interval '12 days' + interval '5 minutes', 'failed',
        'error 12.2 is above 12'),
    (4, %(until)s - interval '6 days 2 hours', %(until)s - interval '6 days' + interval '40 minutes', 'failed',
        'asked for by ann: "the <autumn> fares"'),
    (5, %(until)s - interval '3 hours', NULL, NULL, 'error 13.1 is above 12')
) AS told (number, at, closed_at, outcome, reason) ORDER BY number;
INSERT INTO incident_alarm (incident_id, source, at, detail)
SELECT incident_id, 'scheduled__' || number, opened_at + number * interval '5 minutes', '{}'
FROM incident CROSS JOIN generate_series(1, 3) AS number;
INSERT INTO retraining (run_id, model, incident_id, started_at, finished_at, version, outcome, reason, cost)
SELECT 'retrain__demand__incident_' || incident_id, model, incident_id, opened_at + interval '1 minute', closed_at,
    (ARRAY[2, NULL, NULL, 3, 4])[incident_id], outcome, CASE outcome WHEN 'kept_champion' THEN 'the gate refused it'
    WHEN 'failed' THEN 'the canary was rolled back' END, 1
FROM incident;
INSERT INTO gate_decision (run_id, model, mlflow_run_id, is_passed, champion_version, champion_error,
    challenger_error, ratio_lower, ratio_upper, margin, row_count, day_count, slices, reason, rule, slice_margin)
SELECT run_id, model, 'm', outcome IS DISTINCT FROM 'kept_champion', 2, 10.4, 9.6, 0.88, 0.97, 0.02, 5000, 5,
    '{"weather=rain": {"champion_error": 11, "challenger_error": 10, "ratio": 0.91, "lower": 0.8, "upper": 1.02,
    "rows": 900}, "weather=clear": {"champion_error": 9, "challenger_error": 9.1, "ratio": 1.01, "lower": 0.95,
    "upper": 1.07, "rows": 2000}}', 'error 9.6 against the champion''s 10.4', 'refute', 0.1
FROM retraining
