-- A calibration that was withdrawn and one in force.
INSERT INTO calibration (model, version, run_id, method, parameters, fitted_at, row_count, error_without, error_with,
    reason, revision, replaced, served_at, withdrawn_at, withdrawn_because)
VALUES
('demand', 2, 'scheduled__5', 'ratio', '{1.04}', %(until)s - interval '8 days', 900, 10.9, 10.4, 'it lowers the error',
    'demand-v2-c1', 'demand-v2', %(until)s - interval '8 days', %(until)s - interval '7 days', 'it helps no more'),
('demand', 2, 'scheduled__6', 'ratio', '{1.02}', %(until)s - interval '20 hours', 900, 10.8, 10.5,
    'it lowers the error', 'demand-v2-c2', 'demand-v2-c1', %(until)s - interval '20 hours', NULL, NULL);
UPDATE release SET revision = 'demand-v2-c2' WHERE revision = 'demand-v2'
