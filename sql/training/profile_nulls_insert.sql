-- Note the null distributions of a version's drift checks. Those that are there already stay as they are.
-- params: model text, version integer, nulls json text: an array of the other columns of reference_null
INSERT INTO reference_null (
    model,
    version,
    check_name,
    subject,
    expected,
    freedom,
    days,
    window_days,
    window_rows,
    reference_rows
)
SELECT
    %(model)s::text AS model,
    %(version)s::integer AS version,
    check_name,
    subject,
    expected,
    freedom,
    days,
    window_days,
    window_rows,
    reference_rows
FROM
    jsonb_to_recordset(%(nulls)s::jsonb)
        AS nulls (
            check_name text,
            subject text,
            expected double precision,
            freedom double precision,
            days integer,
            window_days integer,
            window_rows double precision,
            reference_rows bigint
        )
ON CONFLICT DO NOTHING
