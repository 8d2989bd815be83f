-- Note that every release after one was rolled back, and why. These are releases on their way and releases that had
-- served.
-- params: model text, release_id bigint (the one to return to), at timestamptz, reason text
UPDATE release
SET
    state = 'rolled_back',
    traffic_percent = 0,
    ended_at = %(at)s::timestamptz,
    reason = %(reason)s::text
WHERE
    model = %(model)s::text
    AND release_id > %(release_id)s::bigint
    AND state != 'rolled_back'
