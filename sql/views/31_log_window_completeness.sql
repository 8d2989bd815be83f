-- Per revision and hour of event time: rows expected, what became of them, those that still wait in a spool,
-- and the share that is in the log. Expected is what the instances told: a row that died untold is not in it.
CREATE OR REPLACE VIEW log_window_completeness AS
SELECT
    model,
    version,
    revision,
    window_start,
    expected,
    stored,
    repeated,
    conflicting,
    dropped,
    set_aside,
    pending,
    (stored + repeated)::double precision / nullif(expected, 0) AS completeness
FROM (
    SELECT
        ledger.model,
        ledger.version,
        ledger.revision,
        log_window.window_start,
        sum(
            stored
            + log_window.repeated
            + log_window.conflicting
            + log_window.dropped
            + log_window.set_aside
            + pending
        )::bigint AS expected,
        sum(stored)::bigint AS stored,
        sum(log_window.repeated)::bigint AS repeated,
        sum(log_window.conflicting)::bigint AS conflicting,
        sum(log_window.dropped)::bigint AS dropped,
        sum(log_window.set_aside)::bigint AS set_aside,
        sum(pending)::bigint AS pending
    FROM log_window
    INNER JOIN instance_ledger AS ledger ON log_window.instance_id = ledger.instance_id
    GROUP BY ledger.model, ledger.version, ledger.revision, log_window.window_start
) AS windows
