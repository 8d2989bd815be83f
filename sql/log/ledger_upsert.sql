-- Writes how far an instance has come. Its counts only ever grow, so an older flush never lowers them.
-- params: instance_id text, model text, version integer, revision text, started_at timestamptz,
--   last_seen_at timestamptz, handed_over bigint, dropped bigint, repeated bigint, is_stopped boolean
-- returns: nothing
INSERT INTO instance_ledger AS ledger (
    instance_id,
    model,
    version,
    revision,
    started_at,
    last_seen_at,
    handed_over,
    dropped,
    repeated,
    is_stopped
)
VALUES (
    %(instance_id)s::text,
    %(model)s::text,
    %(version)s::integer,
    %(revision)s::text,
    %(started_at)s::timestamptz,
    %(last_seen_at)s::timestamptz,
    %(handed_over)s::bigint,
    %(dropped)s::bigint,
    %(repeated)s::bigint,
    %(is_stopped)s::boolean
)
ON CONFLICT (instance_id) DO UPDATE SET
    last_seen_at = greatest(ledger.last_seen_at, excluded.last_seen_at),
    handed_over = greatest(ledger.handed_over, excluded.handed_over),
    dropped = greatest(ledger.dropped, excluded.dropped),
    repeated = greatest(ledger.repeated, excluded.repeated),
    is_stopped = ledger.is_stopped OR excluded.is_stopped
