-- Note the bins of a version's reference profile. Bins that are there already stay as they are.
-- params: model text, version integer, bins json text: an array of feature, bin, lower_bound, upper_bound,
--   category, count, is_calendar, expected_error
INSERT INTO reference_bin (
    model,
    version,
    feature,
    bin,
    lower_bound,
    upper_bound,
    category,
    count,
    is_calendar,
    expected_error
)
SELECT
    %(model)s::text AS model,
    %(version)s::integer AS version,
    feature,
    bin,
    lower_bound,
    upper_bound,
    category,
    count,
    is_calendar,
    expected_error
FROM
    jsonb_to_recordset(%(bins)s::jsonb)
        AS bins (
            feature text,
            bin integer,
            lower_bound double precision,
            upper_bound double precision,
            category text,
            count bigint,
            is_calendar boolean,
            expected_error double precision
        )
ON CONFLICT DO NOTHING
