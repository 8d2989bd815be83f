-- The changes between two snapshots in the errors of labelled predictions, one row each.
-- The sign is 1 for an error that counts now, and -1 for one that counted before.
-- A label that is the newest in both snapshots gives one row of each sign.
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

candidate AS (
    SELECT
        label.id,
        label.label,
        label.observed_at,
        label.arrival,
        pg_visible_in_snapshot(label.stored_in, %(since)s::pg_snapshot) AS is_old
    FROM changed
    INNER JOIN label ON changed.id = label.id
    WHERE
        label.model = %(model)s::text
        AND pg_visible_in_snapshot(label.stored_in, %(now)s::pg_snapshot)
),

newest AS (
    SELECT DISTINCT ON (id)
        id,
        1 AS sign,
        label,
        observed_at
    FROM candidate
    ORDER BY id ASC, arrival DESC
),

newest_before AS (
    SELECT DISTINCT ON (id)
        id,
        -1 AS sign,
        label,
        observed_at
    FROM candidate
    WHERE is_old
    ORDER BY id ASC, arrival DESC
),

signed AS (
    SELECT
        id,
        sign,
        label,
        observed_at
    FROM newest
    UNION ALL
    SELECT
        id,
        sign,
        label,
        observed_at
    FROM newest_before
)

SELECT
    signed.id,
    signed.sign,
    prediction_log.version,
    date_bin('1 hour', prediction_log.created_at, '2000-01-01T00:00Z') AS predicted_hour,
    date_bin('1 hour', signed.observed_at, '2000-01-01T00:00Z') AS observed_hour,
    label_age_hours(signed.observed_at - prediction_log.created_at) AS label_age_hours,
    signed.label #>> '{}' AS label_class,
    predicted_class(prediction_log.prediction) AS predicted_class,
    bounded_number(signed.label)::numeric AS label,
    bounded_number(prediction_log.prediction)::numeric AS prediction,
    absolute_error(prediction_log.prediction, signed.label)::numeric AS absolute_error,
    log_loss(prediction_log.prediction, signed.label)::numeric AS log_loss,
    brier_score(prediction_log.prediction, signed.label)::numeric AS brier
FROM signed
INNER JOIN prediction_id
    ON prediction_id.model = %(model)s::text AND signed.id = prediction_id.id
INNER JOIN prediction_log
    ON
        prediction_log.model = %(model)s::text
        AND prediction_id.id = prediction_log.id
        AND prediction_id.created_at = prediction_log.created_at
WHERE
    pg_visible_in_snapshot(prediction_log.stored_in, %(now)s::pg_snapshot)
    AND (signed.sign = 1 OR pg_visible_in_snapshot(prediction_log.stored_in, %(since)s::pg_snapshot))
