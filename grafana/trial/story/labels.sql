-- Labels of a share of the rows, most within a day.
INSERT INTO prediction_id (model, id, created_at) SELECT model, id, created_at FROM prediction_log
WHERE hashtextextended(id, 0) & 1023 < 1024 * %(label_share)s;
INSERT INTO label (model, id, label, observed_at)
SELECT model, id,
    CASE WHEN model = 'churn' THEN to_jsonb(random() < (prediction #>> '{}')::float)
    ELSE to_jsonb((prediction #>> '{}')::float + 13 * random_normal()) END,
    created_at + interval '18 hours' + random() * interval '8 hours'
FROM prediction_log
WHERE created_at < %(until)s - interval '26 hours' AND hashtextextended(id, 0) & 1023 < 1024 * %(label_share)s
