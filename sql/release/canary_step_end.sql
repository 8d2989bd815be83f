-- Note the verdict of a canary step with its numbers, and whether the release goes on. The first verdict counts.
-- params: release_id bigint, step_number integer, verdict text, goes_on boolean, detail json text
UPDATE release_step
SET
    verdict = %(verdict)s::text,
    goes_on = %(goes_on)s::boolean,
    detail = %(detail)s::jsonb,
    ended_at = clock_timestamp()
WHERE
    release_id = %(release_id)s::bigint
    AND step_number = %(step_number)s::integer
    AND ended_at IS NULL
