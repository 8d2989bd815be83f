-- Note the share of the traffic that a release has in its canary. A release that is over stays as it is.
-- params: release_id bigint, traffic_percent integer
UPDATE release
SET
    state = 'canary',
    traffic_percent = %(traffic_percent)s::integer
WHERE release_id = %(release_id)s::bigint AND state IN ('candidate', 'canary')
