-- The messages of a model that a route may still have to carry, oldest first.
-- params: model text
-- returns: message_id, model, kind, subject, severity, at, words, sent_by, attempts
SELECT
    message_id,
    model,
    kind,
    subject,
    severity,
    at,
    words,
    sent_by,
    attempts
FROM message
WHERE model = %(model)s::text AND NOT is_over
ORDER BY at, message_id
