-- Moves the copied batch into the prediction log. A row whose id is known stays out: see log/conflicts_count.
-- Rows up to `accounted_through` were dealt with before: their batch was sent again.
-- params: model text, version integer, revision text, instance_id text, accounted_through bigint
-- returns: per hour of event time: window_start timestamptz, last_sequence bigint,
--   count bigint (rows of the batch), stored bigint, known bigint (rows whose id was known)
WITH incoming AS (
    SELECT
        (line ->> 'sequence')::bigint AS sequence,
        line ->> 'id' AS id,
        (line ->> 'created_at')::timestamptz AS created_at,
        (line ->> 'latency_ms')::real AS latency_ms,
        line -> 'input' AS input,
        line -> 'prediction' AS prediction
    FROM incoming_prediction
),

first_of_id AS (
    SELECT DISTINCT ON (id)
        id,
        sequence,
        created_at,
        latency_ms,
        input,
        prediction
    FROM incoming
    WHERE sequence > %(accounted_through)s::bigint
    ORDER BY id, sequence
),

new_id AS (
    INSERT INTO prediction_id (model, id, created_at, row_hash)
    SELECT
        %(model)s::text AS model,
        id,
        created_at,
        jsonb_hash_extended(jsonb_strip_nulls(input), 0) AS row_hash
    FROM first_of_id
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id
),

stored AS (
    INSERT INTO prediction_log (
        model, id, version, revision, instance_id, sequence, input, prediction, latency_ms, created_at
    )
    SELECT
        %(model)s::text AS model,
        first_of_id.id,
        %(version)s::integer AS version,
        %(revision)s::text AS revision,
        %(instance_id)s::text AS instance_id,
        first_of_id.sequence,
        first_of_id.input,
        first_of_id.prediction,
        first_of_id.latency_ms,
        first_of_id.created_at
    FROM first_of_id
    INNER JOIN new_id ON first_of_id.id = new_id.id
    RETURNING prediction_log.sequence
)

SELECT
    date_trunc('hour', incoming.created_at, 'UTC') AS window_start,
    max(incoming.sequence) AS last_sequence,
    count(*) AS count,
    count(stored.sequence) AS stored,
    count(*) FILTER (
        WHERE incoming.sequence > %(accounted_through)s::bigint AND stored.sequence IS NULL
    ) AS known
FROM incoming
LEFT JOIN stored ON incoming.sequence = stored.sequence
GROUP BY date_trunc('hour', incoming.created_at, 'UTC')
