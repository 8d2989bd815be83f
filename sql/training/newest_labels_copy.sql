-- Of some predictions the label that was the newest at a moment. Of one moment the greatest is meant, texts by their
-- bytes, wherever the store is.
-- params: model text, as_of timestamptz, ids text[]
-- returns: CSV lines with id, label_text
COPY (
    SELECT DISTINCT ON (id)
        id,
        label #>> '{}' AS label_text
    FROM label
    WHERE
        model = %(model)s::text
        AND observed_at <= %(as_of)s::timestamptz
        AND id IN (SELECT unnest(%(ids)s::text[]))
    ORDER BY
        id ASC,
        observed_at DESC,
        received_at DESC,
        CASE WHEN jsonb_typeof(label) = 'string' THEN label #>> '{}' END COLLATE "C" DESC,
        label DESC
) TO STDOUT WITH (FORMAT csv)
