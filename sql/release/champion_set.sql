-- Note that a release is the champion; one that was rolled back never is.
-- params: release_id bigint, at timestamptz
UPDATE release
SET
    state = 'champion',
    traffic_percent = 100,
    promoted_at = coalesce(promoted_at, %(at)s::timestamptz),
    ended_at = NULL
WHERE release_id = %(release_id)s::bigint AND state != 'rolled_back'
