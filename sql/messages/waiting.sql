-- The messages of a model that a route may still have to carry, oldest first.
-- params: model text
-- returns: message_id, model, kind, subject, severity, at, words, sent_by, attempts, cause (of a hold, else NULL)
SELECT
    message.message_id,
    message.model,
    message.kind,
    message.subject,
    message.severity,
    message.at,
    message.words,
    message.sent_by,
    message.attempts,
    hold.cause
FROM message
LEFT JOIN hold ON message.kind = 'hold' AND message.subject = hold.hold_id::text
WHERE message.model = %(model)s::text AND NOT message.is_over
ORDER BY message.at, message.message_id
