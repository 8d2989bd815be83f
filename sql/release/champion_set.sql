-- Note that a release is the champion. A release that was rolled back stays as it is.
-- params: release_id bigint, at timestamptz
UPDATE release
SET
    state = 'champion',
    traffic_percent = 100,
    promoted_at = coalesce(promoted_at, %(at)s::timestamptz),
    ended_at = NULL
WHERE release_id = %(release_id)s::bigint AND state != 'rolled_back'
