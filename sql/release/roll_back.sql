-- Note that a release that is not over was rolled back, and why.
-- params: release_id bigint, at timestamptz, reason text
UPDATE release
SET
    state = 'rolled_back',
    traffic_percent = 0,
    ended_at = %(at)s::timestamptz,
    reason = %(reason)s::text
WHERE release_id = %(release_id)s::bigint AND state NOT IN ('retired', 'rolled_back')
