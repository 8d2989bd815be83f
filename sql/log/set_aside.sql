-- The rows that Postgres refused, by reason, the most frequent first. Ten reasons fit on a screen.
-- params: model text (empty: every model)
-- returns: model, reason, count
SELECT
    model,
    reason,
    count(*) AS count
FROM set_aside_row
WHERE %(model)s::text IN ('', model)
GROUP BY model, reason
ORDER BY count(*) DESC, model ASC, reason ASC
LIMIT 10
