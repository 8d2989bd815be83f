-- The same rows as lines of JSON, which leave as they are: they hold no control character, so nothing is quoted.
-- params: model text, as_of timestamptz, since timestamptz (-infinity for all)
-- returns: lines with id, created_at (microseconds since 1970), label and input; the oldest first
COPY (
    SELECT
        '{"id":' || to_json(id)::text || ',"created_at":' || (extract(EPOCH FROM created_at) * 1000000)::bigint
        || ',"label":' || label::text || ',"input":' || input::text || '}' AS line
    FROM training_row(%(model)s::text, %(as_of)s::timestamptz, %(since)s::timestamptz)
    ORDER BY created_at ASC, id ASC
) TO STDOUT WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
