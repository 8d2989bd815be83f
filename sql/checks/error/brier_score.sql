-- Mean Brier score, from the function brier_score().
-- It is taken over the predictions whose newest label was observed in the window. The standard error treats days as
-- independent, and rows of one day as dependent.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
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
        'brier_score'
    )
