-- Records alerts, each once. A known one is counted. If it came to nothing, it is weighed again, because what stood
-- against it may be gone. A request that was signed no later than one before it is a replay, and weighs nothing again.
-- `received_at` is when the alert began to wait: it stays while the alert waits, however often it comes.
-- params: alerts jsonb (objects with model, action, fingerprint, started_at, name, sender, summary, link and at, each
--   identity once); signed_at timestamptz, NULL for a request with a key
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
        %(signed_at)s::timestamptz AS signed_at,
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
    model, action, fingerprint, started_at, name, sender, summary, link, at, signed_at, received_at, answer, answered_at
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
    signed_at,
    clock_timestamp() AS received_at,
    answer,
    CASE WHEN answer IS NOT NULL THEN clock_timestamp() END AS answered_at
FROM received
ORDER BY model, action, fingerprint, started_at -- two groups with the same alerts wait for each other, and end
ON CONFLICT (model, action, fingerprint, started_at) DO UPDATE
    SET
        times = alert.times + 1,
        signed_at = greatest(alert.signed_at, excluded.signed_at),
        received_at = CASE
            WHEN alert.answer IN ('wait', 'hold', 'failed') AND (excluded.signed_at <= alert.signed_at) IS NOT TRUE
                THEN excluded.received_at
            ELSE alert.received_at
        END,
        answer = CASE
            WHEN alert.answer NOT IN ('wait', 'hold', 'failed') OR excluded.signed_at <= alert.signed_at
                THEN alert.answer
        END,
        reason = CASE
            WHEN alert.answer NOT IN ('wait', 'hold', 'failed') OR excluded.signed_at <= alert.signed_at
                THEN alert.reason
        END
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
