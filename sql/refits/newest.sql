-- The newest day on which refits were tried, and how long they took.
-- params: model text, at timestamptz
-- returns: day timestamptz, seconds double precision. No row before the first refit.
SELECT
    day,
    seconds
FROM refit_score
WHERE model = %(model)s::text AND known_at <= %(at)s::timestamptz
ORDER BY day DESC
LIMIT 1
