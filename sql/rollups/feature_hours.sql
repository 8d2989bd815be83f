-- The hours of event time whose served rows changed, for versions with a reference profile.
-- params: model text, since timestamptz (insert time)
-- returns: bucket_start timestamptz
SELECT DISTINCT date_trunc('hour', prediction_log.created_at, 'UTC') AS bucket_start
FROM prediction_log
INNER JOIN reference_profile
    ON
        prediction_log.model = reference_profile.model
        AND prediction_log.version = reference_profile.version
WHERE prediction_log.model = %(model)s::text AND prediction_log.stored_at >= %(since)s::timestamptz
