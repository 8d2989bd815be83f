-- The alerts of a model that wait for an answer, the oldest first.
-- params: model text
-- returns: alert_id bigint; model, action, fingerprint, name, sender, summary, link text; started_at, at, received_at
--   timestamptz; answer and reason text; times integer
SELECT
    alert_id,
    model,
    action,
    fingerprint,
    started_at,
    name,
    sender,
    summary,
    link,
    at,
    received_at,
    answer,
    reason,
    times
FROM alert
WHERE model = %(model)s::text AND answer IS NULL
ORDER BY alert_id
