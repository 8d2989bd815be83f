-- Every row that was answered or imported before a moment, with the label that was the newest one known then.
-- params: model text, as_of timestamptz, since timestamptz (-infinity for all)
-- returns: id text, created_at timestamptz, input jsonb, label jsonb; the oldest first
WITH known_label AS (
    SELECT DISTINCT ON (id)
        id,
        label
    FROM label
    WHERE model = %(model)s::text AND observed_at <= %(as_of)s::timestamptz
    ORDER BY id ASC, observed_at DESC, received_at DESC
)

SELECT
    prediction_log.id,
    prediction_log.created_at,
    prediction_log.input,
    known_label.label
FROM prediction_log
INNER JOIN known_label ON prediction_log.id = known_label.id
WHERE
    prediction_log.model = %(model)s::text
    AND prediction_log.created_at < %(as_of)s::timestamptz
    AND prediction_log.created_at >= %(since)s::timestamptz
ORDER BY prediction_log.created_at ASC, prediction_log.id ASC
