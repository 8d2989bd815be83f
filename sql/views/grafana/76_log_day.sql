-- What became of the rows that each model answered in the newest day of its own event time. The day ends with the
-- newest hour that an instance told of, because an hour that lost every row has none in the log.
CREATE OR REPLACE VIEW log_day AS
SELECT
    newest.model,
    sum(found.expected)::bigint AS expected,
    sum(found.kept)::bigint AS kept,
    sum(found.lost)::bigint AS lost,
    sum(found.waiting)::bigint AS waiting,
    sum(found.kept) / nullif(sum(found.expected - found.waiting), 0)::double precision AS completeness
FROM (
    SELECT
        model_present.model,
        greatest(model_present.present, max(told.window_start) + interval '1 hour') AS until
    FROM model_present
    LEFT JOIN instance_ledger ON model_present.model = instance_ledger.model
    LEFT JOIN LATERAL (
        SELECT log_window.window_start
        FROM log_window
        WHERE log_window.instance_id = instance_ledger.instance_id
        ORDER BY log_window.window_start DESC
        LIMIT 1
    ) AS told ON true
    GROUP BY model_present.model, model_present.present
) AS newest
LEFT JOIN LATERAL (
    SELECT
        ended.stored + ended.repeated + ended.conflicting + ended.dropped + ended.set_aside + ended.pending AS expected,
        ended.stored + ended.repeated AS kept,
        ended.conflicting + ended.dropped + ended.set_aside
        + CASE WHEN ledger.is_stopped THEN ended.pending ELSE 0 END AS lost,
        CASE WHEN ledger.is_stopped THEN 0 ELSE ended.pending END AS waiting
    FROM instance_ledger AS ledger
    INNER JOIN log_window AS ended ON ledger.instance_id = ended.instance_id
    WHERE
        ledger.model = newest.model
        AND ended.window_start >= newest.until - interval '24 hours'
        AND ended.window_start < newest.until
) AS found ON true
GROUP BY newest.model
