-- Moves the copied batch into the prediction log. A known id is the same prediction: it is logged once.
-- A row that this instance stored before (its batch was sent again) is neither stored nor repeated.
-- params: model text, version integer, revision text, instance_id text
-- returns: stored bigint, repeated bigint
WITH first_of_id AS (
    SELECT DISTINCT ON (id)
        id,
        sequence,
        created_at,
        latency_ms,
        input,
        prediction
    FROM incoming_prediction
    ORDER BY id, sequence
),

new_id AS (
    INSERT INTO prediction_id (model, id, created_at)
    SELECT
        %(model)s::text AS model,
        id,
        created_at
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
),

not_stored AS (
    SELECT
        incoming_prediction.id,
        incoming_prediction.sequence,
        incoming_prediction.created_at
    FROM incoming_prediction
    LEFT JOIN stored ON incoming_prediction.sequence = stored.sequence
    WHERE stored.sequence IS NULL
)

SELECT
    (SELECT count(*) FROM stored) AS stored,
    count(*) FILTER (
        WHERE NOT EXISTS (
            SELECT 1
            FROM prediction_log AS earlier
            WHERE
                earlier.model = %(model)s::text
                AND earlier.id = not_stored.id
                AND earlier.created_at = not_stored.created_at
                AND earlier.instance_id = %(instance_id)s::text
                AND earlier.sequence = not_stored.sequence
        )
    ) AS repeated
FROM not_stored
