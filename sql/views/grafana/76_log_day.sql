-- What became of the rows that each model answered in the newest day of its own event time.
CREATE OR REPLACE VIEW log_day AS
SELECT
    model_present.model,
    sum(found.expected)::bigint AS expected,
    sum(found.kept)::bigint AS kept,
    sum(found.lost)::bigint AS lost,
    sum(found.waiting)::bigint AS waiting,
    sum(found.kept) / nullif(sum(found.expected - found.waiting), 0)::double precision AS completeness
FROM model_present
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
        ledger.model = model_present.model
        AND ended.window_start >= model_present.present - interval '24 hours'
        AND ended.window_start < model_present.present
) AS found ON true
GROUP BY model_present.model
