-- Notes what a model's monitor goes by, and that it ran now.
-- params: model, task, metric text; label_delay, label_load, longest_gap interval; silent_days, error_limit,
--   completeness_floor, budget_per_week double precision; error_window_days, error_minimum_days,
--   error_minimum_rows integer
-- returns: nothing
INSERT INTO monitored_model (
    model,
    task,
    metric,
    label_delay,
    label_load,
    silent_days,
    error_limit,
    error_window_days,
    error_minimum_days,
    error_minimum_rows,
    completeness_floor,
    budget_per_week,
    longest_gap,
    monitored_at
)
VALUES (
    %(model)s::text,
    %(task)s::text,
    %(metric)s::text,
    %(label_delay)s::interval,
    %(label_load)s::interval,
    %(silent_days)s::double precision,
    %(error_limit)s::double precision,
    %(error_window_days)s::integer,
    %(error_minimum_days)s::integer,
    %(error_minimum_rows)s::integer,
    %(completeness_floor)s::double precision,
    %(budget_per_week)s::double precision,
    %(longest_gap)s::interval,
    clock_timestamp()
)
ON CONFLICT (model) DO UPDATE SET
    task = excluded.task,
    metric = excluded.metric,
    label_delay = excluded.label_delay,
    label_load = excluded.label_load,
    silent_days = excluded.silent_days,
    error_limit = excluded.error_limit,
    error_window_days = excluded.error_window_days,
    error_minimum_days = excluded.error_minimum_days,
    error_minimum_rows = excluded.error_minimum_rows,
    completeness_floor = excluded.completeness_floor,
    budget_per_week = excluded.budget_per_week,
    longest_gap = excluded.longest_gap,
    monitored_at = excluded.monitored_at
