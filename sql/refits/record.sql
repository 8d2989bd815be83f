-- Records how a refit of one window would have served on one day. What was recorded first stays.
-- params: model text; day, trained_at, known_at timestamptz; version, window_days integer (0: all); row_count bigint;
--   error, refit_error double precision or NULL; seconds double precision
-- returns: nothing
INSERT INTO refit_score (
    model,
    day,
    version,
    window_days,
    trained_at,
    known_at,
    row_count,
    error,
    refit_error,
    seconds
)
VALUES (
    %(model)s::text,
    %(day)s::timestamptz,
    %(version)s::integer,
    %(window_days)s::integer,
    %(trained_at)s::timestamptz,
    %(known_at)s::timestamptz,
    %(row_count)s::bigint,
    %(error)s::double precision,
    %(refit_error)s::double precision,
    %(seconds)s::double precision
)
ON CONFLICT (model, day, window_days) DO NOTHING
