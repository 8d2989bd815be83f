-- Share of the answered rows of candidate and champion that the log has lost.
-- They were dropped, or refused by Postgres. Rows that still wait are not lost. The share is over the whole lives of
-- the instances that were seen in the window.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of last_seen_at)
-- returns: subject (`candidate`, `champion`), value (0..1), sample_size (rows)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
)

SELECT
    side.subject,
    sum(ledger.dropped + ledger.set_aside)::double precision / nullif(sum(ledger.handed_over), 0) AS value,
    coalesce(sum(ledger.handed_over), 0)::bigint AS sample_size
FROM side
LEFT JOIN instance_ledger AS ledger
    ON
        ledger.model = %(model)s::text
        AND side.revision = ledger.revision
        AND ledger.last_seen_at >= %(window_start)s::timestamptz
        AND ledger.started_at < %(window_end)s::timestamptz
GROUP BY side.subject
