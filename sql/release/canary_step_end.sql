-- Note a canary step's verdict with its numbers; the first verdict counts.
-- params: release_id bigint, step_number integer, verdict text, detail json text, ended_at timestamptz
UPDATE release_step
SET
    verdict = %(verdict)s::text,
    detail = %(detail)s::jsonb,
    ended_at = %(ended_at)s::timestamptz
WHERE
    release_id = %(release_id)s::bigint
    AND step_number = %(step_number)s::integer
    AND ended_at IS NULL
