-- When the model's last retraining up to a moment ended, whatever its outcome.
-- params: model text, before timestamptz
-- returns: finished_at, NULL when there was none
SELECT max(finished_at) AS finished_at
FROM retraining
WHERE model = %(model)s::text AND finished_at <= %(before)s::timestamptz
