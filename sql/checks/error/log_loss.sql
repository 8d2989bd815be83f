-- Mean log-loss in nats, from the function log_loss().
-- It is taken over the predictions whose label was due in the window and known before its end. The standard error
-- treats days as independent, and rows of one day as dependent.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (both 00:00 UTC),
--   label_delay interval, label_load interval
-- returns: subject, value, standard_error, sample_size (labelled predictions)
SELECT
    'all' AS subject,
    ratio AS value,
    standard_error,
    sample_size
FROM
    window_error(
        %(model)s::text,
        %(version)s::integer,
        %(window_start)s::timestamptz,
        %(window_end)s::timestamptz,
        %(label_delay)s::interval,
        %(label_load)s::interval,
        'log_loss'
    )
