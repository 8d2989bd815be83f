-- Of some predictions the label that counted at a moment: the last to arrive of those known then.
-- params: model text, as_of timestamptz, ids text[]
-- returns: CSV lines with id, label_text
COPY (
    SELECT DISTINCT ON (id)
        id,
        label #>> '{}' AS label_text
    FROM label
    WHERE
        model = %(model)s::text
        AND known_at <= %(as_of)s::timestamptz
        AND id IN (SELECT unnest(%(ids)s::text[]))
    ORDER BY id ASC, arrival DESC
) TO STDOUT WITH (FORMAT csv)
