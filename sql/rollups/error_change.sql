-- The changes between two snapshots in the errors of labelled predictions, one row each.
-- A label counts from the day on which it and its row were known, until one that arrived later is known. So each label
-- that ever counted gives a row with the sign 1 for the day on which it began to count, and one with the sign -1 for
-- the day on which it ended. What both snapshots see is there twice, with opposite signs.
-- params: model text, since text, now text (both a pg_snapshot)
-- returns: nothing. It fills the temporary table error_change.
CREATE TEMPORARY TABLE error_change ON COMMIT DROP AS
WITH changed AS (
    SELECT id
    FROM label
    WHERE
        model = %(model)s::text
        AND became_visible(stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
    UNION DISTINCT
    SELECT label_waiting.id
    FROM label_waiting
    INNER JOIN prediction_log ON label_waiting.id = prediction_log.id
    WHERE
        label_waiting.model = %(model)s::text
        AND prediction_log.model = %(model)s::text
        AND became_visible(prediction_log.stored_in, %(since)s::pg_snapshot, %(now)s::pg_snapshot)
),

labelled AS (
    SELECT
        label.id,
        label.label,
        label.observed_at,
        label.arrival,
        label.stored_in AS label_stored_in,
        prediction_log.version,
        prediction_log.prediction,
        prediction_log.created_at,
        prediction_log.stored_in AS row_stored_in,
        CASE WHEN label.is_live THEN greatest(label.known_at, prediction_log.stored_at) ELSE label.known_at END
            AS known_at
    FROM changed
    INNER JOIN label ON label.model = %(model)s::text AND changed.id = label.id
    INNER JOIN prediction_id ON prediction_id.model = %(model)s::text AND changed.id = prediction_id.id
    INNER JOIN prediction_log
        ON
            prediction_log.model = %(model)s::text
            AND prediction_id.id = prediction_log.id
            AND prediction_id.created_at = prediction_log.created_at
    WHERE
        pg_visible_in_snapshot(label.stored_in, %(now)s::pg_snapshot)
        AND pg_visible_in_snapshot(prediction_log.stored_in, %(now)s::pg_snapshot)
),

seen AS (
    SELECT
        1 AS sign,
        labelled.*
    FROM labelled
    UNION ALL
    SELECT
        -1 AS sign,
        labelled.*
    FROM labelled
    WHERE
        pg_visible_in_snapshot(label_stored_in, %(since)s::pg_snapshot)
        AND pg_visible_in_snapshot(row_stored_in, %(since)s::pg_snapshot)
),

ranked AS (
    SELECT
        *,
        max(arrival) OVER (
            PARTITION BY sign, id
            ORDER BY known_at, arrival
            ROWS UNBOUNDED PRECEDING
        ) AS last_arrival
    FROM seen
),

counting AS (
    SELECT
        *,
        lead(known_at) OVER (PARTITION BY sign, id ORDER BY known_at, arrival) AS replaced_at
    FROM ranked
    WHERE arrival = last_arrival
),

signed AS (
    SELECT
        *,
        sign AS change,
        known_at AS changed_at
    FROM counting
    UNION ALL
    SELECT
        *,
        -sign AS change,
        replaced_at AS changed_at
    FROM counting
    WHERE replaced_at IS NOT NULL
)

SELECT
    id,
    change AS sign,
    version,
    date_bin('1 hour', created_at, '2000-01-01T00:00Z') AS predicted_hour,
    date_trunc('day', changed_at, 'UTC') AS known_day,
    label_age_hours(observed_at - created_at) AS label_age_hours,
    label #>> '{}' AS label_class,
    predicted_class(prediction) AS predicted_class,
    bounded_number(label)::numeric AS label,
    bounded_number(prediction)::numeric AS prediction,
    absolute_error(prediction, label)::numeric AS absolute_error,
    log_loss(prediction, label)::numeric AS log_loss,
    brier_score(prediction, label)::numeric AS brier
FROM signed
