-- Records alerts, each once. A known one is counted. If it came to nothing, it is weighed again, because what stood
-- against it may be gone.
-- params: alerts jsonb (objects with model, action, fingerprint, started_at, name, sender, summary, link and at, each
--   identity once)
-- returns: alert_id bigint; model, action, fingerprint, name, sender, summary, link text; started_at, at, received_at
--   timestamptz; answer and reason text, both NULL for an alert that waits; times integer
WITH received AS (
    SELECT
        item.model,
        item.action,
        item.fingerprint,
        item.started_at,
        item.name,
        item.sender,
        item.summary,
        item.link,
        item.at,
        CASE WHEN item.action = 'note' THEN 'noted' END AS answer
    FROM jsonb_to_recordset(%(alerts)s::jsonb) AS item (
        model text,
        action text,
        fingerprint text,
        started_at timestamptz,
        name text,
        sender text,
        summary text,
        link text,
        at timestamptz
    )
)

INSERT INTO alert (
    model, action, fingerprint, started_at, name, sender, summary, link, at, received_at, answer, answered_at
)
SELECT
    model,
    action,
    fingerprint,
    started_at,
    name,
    sender,
    summary,
    link,
    at,
    clock_timestamp() AS received_at,
    answer,
    CASE WHEN answer IS NOT NULL THEN clock_timestamp() END AS answered_at
FROM received
ORDER BY model, action, fingerprint, started_at -- two groups with the same alerts wait for each other, and end
ON CONFLICT (model, action, fingerprint, started_at) DO UPDATE
    SET
        times = alert.times + 1,
        received_at = excluded.received_at,
        answer = CASE WHEN alert.answer NOT IN ('wait', 'hold', 'failed') THEN alert.answer END,
        reason = CASE WHEN alert.answer NOT IN ('wait', 'hold', 'failed') THEN alert.reason END
RETURNING
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
