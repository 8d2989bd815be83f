-- Every label that was known at a moment, the replaced ones too.
-- params: model text, as_of timestamptz
-- returns: CSV lines with id, observed_at, received_at, label (as text); in any order
COPY (
    SELECT
        id,
        observed_at,
        received_at,
        label #>> '{}' AS label
    FROM label
    WHERE
        model = %(model)s::text
        AND observed_at <= %(as_of)s::timestamptz
) TO STDOUT WITH (FORMAT csv)
