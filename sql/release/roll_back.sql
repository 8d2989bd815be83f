-- Note that a release was rolled back, and why. A release that is over stays as it is.
-- params: release_id bigint, at timestamptz, reason text
UPDATE release
SET
    state = 'rolled_back',
    traffic_percent = 0,
    ended_at = %(at)s::timestamptz,
    reason = %(reason)s::text
WHERE release_id = %(release_id)s::bigint AND state NOT IN ('retired', 'rolled_back')
