-- Locks the model's open incident until commit, or opens one.
-- It looks for an open incident first, because an insert would use up a number even when it meets a conflict. The
-- update changes nothing. It locks an incident that another transaction has just opened.
-- params: model text, at timestamptz, reason text
-- returns: incident_id bigint, is_new boolean
WITH held AS (
    SELECT incident_id
    FROM incident
    WHERE model = %(model)s::text AND closed_at IS NULL
    FOR UPDATE
),

opened AS (
    INSERT INTO incident (model, opened_at, reason)
    SELECT
        %(model)s::text AS model,
        %(at)s::timestamptz AS opened_at,
        %(reason)s::text AS reason
    WHERE NOT EXISTS (SELECT 1 FROM held)
    ON CONFLICT (model) WHERE closed_at IS NULL DO UPDATE SET model = excluded.model
    RETURNING
        incident_id,
        xmax = 0 AS is_new -- true for an inserted row, which no update has locked
)

SELECT
    incident_id,
    false AS is_new
FROM held
UNION ALL
SELECT
    incident_id,
    is_new
FROM opened
