-- Records a calibration, once for each run; the first one stays.
-- params: model, run_id, reason text; version integer; method text or NULL; parameters double precision[];
--   fitted_at timestamptz; row_count bigint; error_without, error_with double precision or NULL
-- returns: nothing
INSERT INTO calibration (
    model,
    version,
    run_id,
    method,
    parameters,
    fitted_at,
    row_count,
    error_without,
    error_with,
    reason
)
VALUES (
    %(model)s::text,
    %(version)s::integer,
    %(run_id)s::text,
    %(method)s::text,
    %(parameters)s::double precision[],
    %(fitted_at)s::timestamptz,
    %(row_count)s::bigint,
    %(error_without)s::double precision,
    %(error_with)s::double precision,
    %(reason)s::text
)
ON CONFLICT (model, run_id) DO NOTHING
