-- What became of the rows of the instances that were heard of last, the newest first.
-- params: model text, newest integer
-- returns: instance_id, revision text; answered, stored, repeated, conflicting, dropped, set_aside, waiting, lost
--   bigint; completeness double precision or NULL; is_stopped boolean; last_seen_at timestamptz
SELECT
    instance_id,
    revision,
    answered,
    stored,
    repeated,
    conflicting,
    dropped,
    set_aside,
    waiting,
    lost,
    completeness,
    is_stopped,
    last_seen_at
FROM instance_log
WHERE model = %(model)s::text
ORDER BY is_stopped ASC, last_seen_at DESC, instance_id ASC
LIMIT %(newest)s::integer
