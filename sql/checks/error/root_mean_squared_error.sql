-- Root of the mean squared error, in the label's unit.
-- It is taken over the predictions whose label was due in the window and known before its end. The standard error
-- treats days as independent, and rows of one day as dependent.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (both 00:00 UTC),
--   label_delay interval, label_load interval
-- returns: subject, value, standard_error, sample_size (labelled predictions)
SELECT
    'all' AS subject,
    sqrt(ratio) AS value,
    standard_error / nullif(2 * sqrt(ratio), 0) AS standard_error,
    sample_size
FROM
    window_error(
        %(model)s::text,
        %(version)s::integer,
        %(window_start)s::timestamptz,
        %(window_end)s::timestamptz,
        %(label_delay)s::interval,
        %(label_load)s::interval,
        'mean_squared_error'
    )
