-- The rows that were answered or imported in a span of time, each feature a column of text. A row whose label was not
-- due yet is left out, also where its label came early: early labels are often of one kind. See training_row(), which
-- joins rows with their labels; Arrow does that and the sorting in a quarter of the time.
-- params: model text, as_of timestamptz, since timestamptz (-infinity for all), label_delay interval (from a row to
--   when its label is due), columns: of the model's features
-- returns: CSV lines with id, created_at and the columns, in any order
COPY (
    SELECT
        id,
        created_at,
        %(columns)s
    FROM (
        SELECT
            id,
            created_at,
            input || '{}' AS input -- decompresses a wide row once, and not once for each of its features
        FROM prediction_log
        WHERE
            model = %(model)s::text
            AND created_at < %(as_of)s::timestamptz
            AND created_at >= %(since)s::timestamptz
            AND created_at <= %(as_of)s::timestamptz - %(label_delay)s::interval
        -- Keeps the planner from pulling the input apart again. A plain 0 is no bigint yet when the planner asks for
        -- a limit. It would fear one, and let a single process take the rows of all processes apart.
        OFFSET '0'::bigint -- noqa: AM09
    ) AS logged
) TO STDOUT WITH (FORMAT csv)
