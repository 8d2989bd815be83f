-- Records a calibration. The first one of a run stays.
-- params: model, run_id, reason text; version integer; method text or NULL; parameters double precision[];
--   fitted_at timestamptz; row_count bigint; error_without, error_with double precision or NULL;
--   asked_by text or NULL (NULL when it was fitted); since timestamptz and fingerprint text of the rows that it was
--   fitted on, or NULL
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
    reason,
    asked_by,
    since,
    fingerprint
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
    %(reason)s::text,
    %(asked_by)s::text,
    %(since)s::timestamptz,
    %(fingerprint)s::text
)
ON CONFLICT (model, run_id) DO NOTHING
