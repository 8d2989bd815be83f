-- The error of each version by day, with what it was accepted with and the limit of the policy.
-- params: model text, since timestamptz, until timestamptz
-- returns: version integer; day timestamptz; labelled bigint; error, accepted_error, error_limit double precision;
--   the oldest first
SELECT
    version,
    day,
    labelled,
    error,
    accepted_error,
    error_limit
FROM error_day
WHERE model = %(model)s::text AND day >= %(since)s::timestamptz AND day < %(until)s::timestamptz
ORDER BY version, day
