-- Adds what a flush did to its instance's entry and windows. `last_sequence`, `dropped` and `torn_bytes` are
-- totals, the others additions. `pending` is the number of rows of that hour that the instance's spool still holds.
-- params: instance_id text, accounted_through bigint, last_sequence bigint, dropped bigint,
--   torn_bytes bigint, is_stopped boolean,
--   windows jsonb: [{window_start, stored, repeated, conflicting, set_aside, dropped, pending}, …]
-- returns: nothing
WITH incoming AS (
    SELECT
        window_start,
        stored,
        repeated,
        conflicting,
        set_aside,
        dropped,
        pending
    FROM
        jsonb_to_recordset(%(windows)s::jsonb)
            AS windows (
                window_start timestamptz,
                stored bigint,
                repeated bigint,
                conflicting bigint,
                set_aside bigint,
                dropped bigint,
                pending bigint
            )
),

settled AS (
    INSERT INTO log_window AS known (
        instance_id, window_start, stored, repeated, conflicting, set_aside, dropped, pending
    )
    SELECT
        %(instance_id)s::text AS instance_id,
        window_start,
        stored,
        repeated,
        conflicting,
        set_aside,
        dropped,
        pending
    FROM incoming
    ON CONFLICT (instance_id, window_start) DO UPDATE SET
        stored = known.stored + excluded.stored,
        repeated = known.repeated + excluded.repeated,
        conflicting = known.conflicting + excluded.conflicting,
        set_aside = known.set_aside + excluded.set_aside,
        dropped = greatest(known.dropped, excluded.dropped),
        pending = excluded.pending
)

UPDATE instance_ledger SET
    accounted_through = greatest(accounted_through, %(accounted_through)s::bigint),
    handed_over = greatest(
        handed_over - dropped, %(accounted_through)s::bigint, %(last_sequence)s::bigint
    ) + greatest(dropped, %(dropped)s::bigint),
    dropped = greatest(dropped, %(dropped)s::bigint),
    repeated = repeated + (SELECT coalesce(sum(incoming.repeated), 0) FROM incoming),
    conflicting = conflicting + (SELECT coalesce(sum(incoming.conflicting), 0) FROM incoming),
    set_aside = set_aside + (SELECT coalesce(sum(incoming.set_aside), 0) FROM incoming),
    torn_bytes = greatest(torn_bytes, %(torn_bytes)s::bigint),
    is_stopped = is_stopped OR %(is_stopped)s::boolean
WHERE instance_id = %(instance_id)s::text
