-- The gate's decision on the challenger of a retraining.
-- params: model, run_id text
-- returns: is_passed, champion_version, champion_error, challenger_error, ratio_lower, ratio_upper, margin, row_count,
--   day_count, slices, reason
SELECT
    is_passed,
    champion_version,
    champion_error,
    challenger_error,
    ratio_lower,
    ratio_upper,
    margin,
    row_count,
    day_count,
    slices,
    reason
FROM gate_decision
WHERE model = %(model)s::text AND run_id = %(run_id)s::text
