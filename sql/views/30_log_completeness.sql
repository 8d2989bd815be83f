-- Per serving instance: rows answered, stored, dropped, and those not accounted for (still on their way, or lost).
CREATE OR REPLACE VIEW log_completeness AS
SELECT
    ledger.model,
    ledger.version,
    ledger.revision,
    ledger.instance_id,
    ledger.handed_over,
    stored.count AS stored,
    ledger.dropped,
    ledger.repeated,
    ledger.handed_over - stored.count - ledger.dropped - ledger.repeated AS unaccounted,
    ledger.last_seen_at,
    ledger.is_stopped
FROM instance_ledger AS ledger
CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM prediction_log
    WHERE prediction_log.instance_id = ledger.instance_id
) AS stored
