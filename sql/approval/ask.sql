-- Ask a person whether a release may go on. A release is asked about once, so a repeated question changes nothing.
-- params: release_id bigint, traffic_percent integer (the share that waits), at timestamptz (event time),
--   hours double precision (until the deadline), words text
-- returns: nothing
INSERT INTO approval (release_id, traffic_percent, at, deadline, words)
VALUES (
    %(release_id)s::bigint,
    %(traffic_percent)s::integer,
    %(at)s::timestamptz,
    clock_timestamp() + %(hours)s::double precision * interval '1 hour',
    %(words)s::text
)
ON CONFLICT DO NOTHING
