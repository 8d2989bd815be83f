-- What became of the rows that each revision answered.
-- params: model text (empty: every model)
-- returns: model, version, revision, instances, handed_over, stored, repeated, conflicting, dropped,
--   set_aside,
--   unaccounted, lost (unaccounted for by instances that ended), last_seen_at
SELECT
    model,
    version,
    revision,
    count(*) AS instances,
    sum(handed_over)::bigint AS handed_over,
    sum(stored)::bigint AS stored,
    sum(repeated)::bigint AS repeated,
    sum(conflicting)::bigint AS conflicting,
    sum(dropped)::bigint AS dropped,
    sum(set_aside)::bigint AS set_aside,
    sum(unaccounted)::bigint AS unaccounted,
    coalesce(sum(unaccounted) FILTER (WHERE is_stopped), 0)::bigint AS lost,
    max(last_seen_at) AS last_seen_at
FROM log_completeness
WHERE %(model)s::text IN ('', model)
GROUP BY model, version, revision
ORDER BY model, version, revision
