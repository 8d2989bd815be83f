-- Copies of the newest day's verdicts for each day before, some of them failed or without data.
INSERT INTO check_result (run_id, model, version, kind, check_name, subject, value, standard_error, sample_size,
    limit_value, verdict, window_start, window_end, evaluated_at, p_value, reason)
SELECT 'scheduled__' || day, model, CASE WHEN model = 'demand' AND 2 * day > %(days)s THEN 1 ELSE version END,
    kind, check_name, subject, value, standard_error, sample_size, limit_value,
    CASE WHEN (day + length(subject)) %% 9 = 0 THEN 'failed' WHEN (day + length(subject)) %% 13 = 0 THEN 'no_data'
    ELSE verdict END,
    window_start - make_interval(days => day), window_end - make_interval(days => day), evaluated_at, p_value, reason
FROM check_result CROSS JOIN generate_series(3, %(days)s) AS day
WHERE window_end = %(until)s AND version <= 2
