-- Every decision that did something or refused something: not those that only waited for themselves.
CREATE OR REPLACE VIEW decision_history AS
SELECT
    decision.model,
    decision.at,
    decision.version,
    decision.action,
    decision.cause,
    decision.reason,
    coalesce(decision.asked_by, 'the monitor') AS asked_by,
    decision.because,
    decision.incident_id,
    decision.asked_by IS NOT NULL AND decision.incident_id IS NULL AS is_refused
FROM decision
WHERE decision.action != 'wait' OR decision.asked_by IS NOT NULL
