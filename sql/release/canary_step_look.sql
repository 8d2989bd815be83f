-- Note what a look at a canary step saw. A pause in which nobody looked is added up, because it does not count as time
-- of the step.
-- params: release_id bigint, step_number integer, detail json text, looked_at timestamptz (by Postgres' clock),
--   pause_seconds double precision (a longer gap between two looks is a pause)
-- returns: paused_seconds double precision (of all pauses), one row, or none when the step has ended
UPDATE release_step
SET
    paused_seconds = paused_seconds + CASE
        WHEN
            extract(EPOCH FROM %(looked_at)s::timestamptz - coalesce(looked_at, started_at))
            > %(pause_seconds)s::double precision
            THEN extract(EPOCH FROM %(looked_at)s::timestamptz - coalesce(looked_at, started_at))
        ELSE 0
    END,
    looked_at = %(looked_at)s::timestamptz,
    detail = %(detail)s::jsonb
WHERE
    release_id = %(release_id)s::bigint
    AND step_number = %(step_number)s::integer
    AND ended_at IS NULL
RETURNING paused_seconds
