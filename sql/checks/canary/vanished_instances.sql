-- Moments in which only one of candidate and champion lost instances: they fell silent, unstopped, and were replaced.
-- They crashed, were killed, or were out of memory. Nobody could count what failed with them. A heartbeat comes every
-- ten seconds, and within eleven seconds after an outage of the store. Silence that began while nobody could tell
-- anything is no loss: others have to have told something when the next heartbeat was due. Instances that go together
-- count once, and a moment in which both sides lose some counts for neither.
-- params: model text; candidate, champion text (revisions); window_start, window_end timestamptz (of last_seen_at);
--   moment_seconds double precision
-- returns: subject (`candidate`, `champion`), value (moments), sample_size (seconds that its instances lived,
--   each until its next heartbeat)
WITH side (subject, revision) AS (
    VALUES ('candidate', %(candidate)s::text), ('champion', %(champion)s::text)
),

instance AS (
    SELECT
        ledger.revision,
        floor(
            extract(EPOCH FROM ledger.last_seen_at - %(window_start)s::timestamptz)
            / %(moment_seconds)s::double precision
        ) AS moment,
        extract(
            EPOCH FROM least(ledger.last_seen_at + interval '10 seconds', %(window_end)s::timestamptz)
            - greatest(ledger.started_at, %(window_start)s::timestamptz)
        ) AS seconds,
        NOT ledger.is_stopped
        AND ledger.last_seen_at < %(window_end)s::timestamptz - interval '30 seconds'
        AND EXISTS (
            SELECT 1
            FROM instance_ledger AS successor
            WHERE
                successor.model = ledger.model
                AND successor.revision = ledger.revision
                AND successor.started_at > ledger.last_seen_at
        )
        AND EXISTS (
            SELECT 1
            FROM request_stat AS told
            WHERE
                told.model = ledger.model
                AND told.instance_id != ledger.instance_id
                AND told.stored_at >= ledger.last_seen_at + interval '10 seconds'
                AND told.stored_at < ledger.last_seen_at + interval '20 seconds'
        ) AS has_vanished
    FROM instance_ledger AS ledger
    WHERE
        ledger.model = %(model)s::text
        AND ledger.last_seen_at >= %(window_start)s::timestamptz
        AND ledger.started_at < %(window_end)s::timestamptz
),

lost AS (
    SELECT
        instance.moment,
        min(side.subject) AS subject
    FROM side
    INNER JOIN instance ON side.revision = instance.revision
    WHERE instance.has_vanished
    GROUP BY instance.moment
    HAVING count(DISTINCT side.subject) = 1
)

SELECT
    side.subject,
    (
        SELECT count(*)
        FROM lost
        WHERE lost.subject = side.subject
    ) AS value,
    coalesce(sum(instance.seconds), 0)::bigint AS sample_size
FROM side
LEFT JOIN instance ON side.revision = instance.revision
GROUP BY side.subject
