-- Note that every other champion of the model has ended.
-- params: model text, release_id bigint (the one that stays), at timestamptz
UPDATE release
SET
    state = 'retired',
    traffic_percent = 0,
    ended_at = %(at)s::timestamptz
WHERE
    model = %(model)s::text
    AND release_id != %(release_id)s::bigint
    AND state = 'champion'
