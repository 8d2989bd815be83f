-- Enters an instance into the ledger, or takes its entry: nobody else moves it in this transaction.
-- Both times are by Postgres' clock, because they are compared across instances. An instance only tells its age.
-- params: instance_id text, model text, version integer, revision text, age_seconds double precision
-- returns: accounted_through bigint
INSERT INTO instance_ledger AS ledger (
    instance_id, model, version, revision, started_at, last_seen_at, handed_over, dropped, repeated
)
VALUES (
    %(instance_id)s::text,
    %(model)s::text,
    %(version)s::integer,
    %(revision)s::text,
    clock_timestamp() - make_interval(secs => %(age_seconds)s::double precision),
    clock_timestamp(),
    0,
    0,
    0
)
ON CONFLICT (instance_id) DO UPDATE
    SET
        last_seen_at = greatest(ledger.last_seen_at, excluded.last_seen_at)
RETURNING accounted_through
