-- The null distributions of a version's checks, which tell how far they stray by chance.
-- params: model text, version integer
-- returns: check_name, subject, and the fields of Null
SELECT
    check_name,
    subject,
    expected,
    freedom,
    days,
    window_days,
    window_rows,
    reference_rows
FROM reference_null
WHERE model = %(model)s::text AND version = %(version)s::integer
