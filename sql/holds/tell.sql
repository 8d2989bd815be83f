-- Records when people were told of a hold. The first time stays.
-- params: hold_id bigint, at timestamptz (wall time)
-- returns: nothing
UPDATE hold
SET told_at = coalesce(told_at, %(at)s::timestamptz)
WHERE hold_id = %(hold_id)s::bigint
