-- Share of the rows that the instances of candidate and champion answered and that the log lost: dropped, or
-- refused by Postgres. Over the lives of the instances seen in the window; rows that still wait are not lost.
-- params: model text, candidate text, champion text: revisions; window_start, window_end: of last_seen_at
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
