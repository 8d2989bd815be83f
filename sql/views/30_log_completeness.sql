-- Per serving instance: rows answered, what became of them, and those unaccounted for (waiting, or lost).
CREATE OR REPLACE VIEW log_completeness AS
SELECT
    ledger.model,
    ledger.version,
    ledger.revision,
    ledger.instance_id,
    ledger.handed_over,
    windows.stored,
    ledger.dropped,
    ledger.repeated,
    ledger.conflicting,
    ledger.set_aside,
    ledger.handed_over - windows.stored - ledger.dropped - ledger.repeated - ledger.conflicting - ledger.set_aside
        AS unaccounted,
    ledger.torn_bytes,
    ledger.last_seen_at,
    ledger.is_stopped
FROM instance_ledger AS ledger
CROSS JOIN LATERAL (
    SELECT coalesce(sum(log_window.stored), 0)::bigint AS stored
    FROM log_window
    WHERE log_window.instance_id = ledger.instance_id
) AS windows
