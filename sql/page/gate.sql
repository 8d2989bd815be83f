-- The gate's comparison in a retraining, of all held-out rows first and then of each slice, the worst first.
-- params: model text, run_id text
-- returns: slice text; rows bigint; challenger_error, champion_error, ratio, ratio_lower, ratio_upper, limit_ratio
--   double precision or NULL; is_passed boolean; reason text
SELECT
    slice,
    rows,
    challenger_error,
    champion_error,
    ratio,
    ratio_lower,
    ratio_upper,
    limit_ratio,
    is_passed,
    reason
FROM gate_slice
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
ORDER BY slice != 'all' ASC, ratio DESC NULLS LAST, slice ASC
