-- Every label that was known at a moment, the replaced ones too: see newest_labels_copy.sql.
-- params: model text, as_of timestamptz
-- returns: CSV lines with id, label_text, in any order
COPY (
    SELECT
        id,
        label #>> '{}' AS label_text
    FROM label
    WHERE
        model = %(model)s::text
        AND known_at <= %(as_of)s::timestamptz
) TO STDOUT WITH (FORMAT csv)
