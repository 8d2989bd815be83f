-- Note that a canary step has begun, by Postgres' clock. The first note counts.
-- params: release_id bigint, step_number integer, traffic_percent integer
INSERT INTO release_step (release_id, step_number, traffic_percent, verdict, detail, started_at)
VALUES (
    %(release_id)s::bigint, %(step_number)s::integer, %(traffic_percent)s::integer, 'inconclusive', '{}',
    clock_timestamp()
)
ON CONFLICT DO NOTHING
