-- Note that a canary step has begun. The first note counts.
-- params: release_id bigint, step_number integer, traffic_percent integer, started_at timestamptz
INSERT INTO release_step (release_id, step_number, traffic_percent, verdict, detail, started_at)
VALUES (
    %(release_id)s::bigint, %(step_number)s::integer, %(traffic_percent)s::integer, 'inconclusive', '{}',
    %(started_at)s::timestamptz
)
ON CONFLICT DO NOTHING
