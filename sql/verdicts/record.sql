-- Records a verdict, once for each run, version, check, subject and window. The first one stays.
-- params: run_id, model, kind, check_name, subject, verdict, reason text; version integer; sample_size bigint;
--   value, standard_error, limit_value, p_value double precision; window_start, window_end timestamptz
-- returns: nothing
INSERT INTO check_result (
    run_id,
    model,
    version,
    kind,
    check_name,
    subject,
    value,
    standard_error,
    sample_size,
    limit_value,
    p_value,
    verdict,
    reason,
    window_start,
    window_end
)
VALUES (
    %(run_id)s::text,
    %(model)s::text,
    %(version)s::integer,
    %(kind)s::text,
    %(check_name)s::text,
    %(subject)s::text,
    %(value)s::double precision,
    %(standard_error)s::double precision,
    %(sample_size)s::bigint,
    %(limit_value)s::double precision,
    %(p_value)s::double precision,
    %(verdict)s::text,
    %(reason)s::text,
    %(window_start)s::timestamptz,
    %(window_end)s::timestamptz
)
ON CONFLICT (model, run_id, kind, check_name, subject, window_end, version) DO NOTHING
