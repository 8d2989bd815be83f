-- Instances of candidate and champion that fell silent in the window and were replaced, without having been stopped.
-- They crashed, were killed, or were out of memory. Nobody could count what failed with them. A heartbeat comes every
-- ten seconds.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of last_seen_at)
-- returns: subject (`candidate`, `champion`), value (instances), sample_size (instances seen)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
),

instance AS (
    SELECT
        ledger.revision,
        NOT ledger.is_stopped
        AND ledger.last_seen_at < %(window_end)s::timestamptz - interval '15 seconds'
        AND EXISTS (
            SELECT 1
            FROM instance_ledger AS successor
            WHERE
                successor.model = ledger.model
                AND successor.revision = ledger.revision
                AND successor.started_at > ledger.last_seen_at
        ) AS has_vanished
    FROM instance_ledger AS ledger
    WHERE
        ledger.model = %(model)s::text
        AND ledger.last_seen_at >= %(window_start)s::timestamptz
        AND ledger.started_at < %(window_end)s::timestamptz
)

SELECT
    side.subject,
    count(*) FILTER (WHERE instance.has_vanished) AS value,
    count(instance.revision) AS sample_size
FROM side
LEFT JOIN instance ON side.revision = instance.revision
GROUP BY side.subject
