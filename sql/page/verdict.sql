-- The numbers of one check and subject on the windows that ended at a moment, one row a version and window.
-- params: model, kind, check_name, subject text; window_end timestamptz
-- returns: version integer; value, standard_error, limit_value, p_value double precision or NULL; sample_size bigint;
--   verdict, reason, run_id text; window_start, window_end, evaluated_at timestamptz
SELECT
    version,
    value,
    standard_error,
    limit_value,
    p_value,
    sample_size,
    verdict,
    reason,
    run_id,
    window_start,
    window_end,
    evaluated_at
FROM current_verdict
WHERE
    model = %(model)s::text
    AND kind = %(kind)s::text
    AND check_name = %(check_name)s::text
    AND subject = %(subject)s::text
    AND window_end = %(window_end)s::timestamptz
ORDER BY version DESC, window_start DESC
