-- Every label that was known at a moment, the replaced ones too. Of one moment the greatest is first, texts by their
-- bytes, wherever the store is.
-- params: model text, as_of timestamptz
-- returns: CSV lines with id, label_text; the newest first
COPY (
    SELECT
        id,
        label #>> '{}' AS label_text
    FROM label
    WHERE
        model = %(model)s::text
        AND observed_at <= %(as_of)s::timestamptz
    ORDER BY
        observed_at DESC,
        received_at DESC,
        CASE WHEN jsonb_typeof(label) = 'string' THEN label #>> '{}' END COLLATE "C" DESC,
        label DESC
) TO STDOUT WITH (FORMAT csv)
