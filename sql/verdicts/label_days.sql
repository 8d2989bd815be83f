-- How many days of equally many labels are worth as much as the days of a window, by the labels that they had.
-- It is (sum of labels)^2 / (sum of squared labels of a day): seven days with equally many are 7, one with nearly all
-- is little more than 1 (Kish 1965). See labelled_day() for which labels count.
-- params: model text, version integer, window_start, window_end timestamptz (whole hours), label_delay interval,
--   label_load interval, metric text (the model's)
-- returns: days, NULL when the window has no labels
SELECT sum(samples)::double precision ^ 2 / nullif(sum(samples::double precision ^ 2), 0) AS days
FROM
    labelled_day(
        %(model)s::text,
        %(version)s::integer,
        %(window_start)s::timestamptz,
        %(window_end)s::timestamptz,
        %(label_delay)s::interval,
        %(label_load)s::interval,
        %(metric)s::text
    )
