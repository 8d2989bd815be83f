-- Takes hold of the model's open incident until commit, or opens one. Looking first keeps the numbers without gaps: an
-- insert draws one even where it meets a conflict. The update changes nothing, but locks what another just opened.
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
        xmax = 0 AS is_new -- a row just inserted was never locked by an update
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
