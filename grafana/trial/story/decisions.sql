-- Decisions and holds, asked for and not.
INSERT INTO decision (model, run_id, at, version, action, reason, cause, incident_id, asked_by, because)
VALUES
('demand', 'scheduled__1', %(until)s - interval '3 hours', 2, 'retrain', 'error 13.1 is above 12', NULL, 5, NULL, NULL),
('demand', 'cyclone retrain by ann', %(until)s - interval '6 days 2 hours', 2, 'retrain', 'requested by ann', NULL, 4,
    'ann', 'the <autumn> fares'),
('demand', 'cyclone retrain by bob', %(until)s - interval '2 hours', 2, 'hold', 'the budget is spent', 'budget', NULL,
    'bob', 'to see whether it helps'),
('churn', 'scheduled__2', %(until)s - interval '5 hours', 1, 'hold', 'upstream data are broken', 'upstream', NULL, NULL,
    NULL);
INSERT INTO hold (model, cause, opened_at, reason, run_id, closed_at, closed_by, because)
VALUES
('demand', 'budget', %(until)s - interval '11 days', 'the budget is spent', 'scheduled__3',
    %(until)s - interval '9 days', 'ann', 'it may cost more'),
('demand', 'budget', %(until)s - interval '2 hours', 'the budget is spent', 'scheduled__4', NULL, NULL, NULL),
('churn', 'upstream', %(until)s - interval '5 hours', 'no label has come for 9 days', 'scheduled__2', NULL, NULL, NULL)
