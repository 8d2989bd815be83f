-- Change of the share of rows outside the reference's numbers, of each number and of the prediction.
-- A row is outside if its number is below or above all numbers of the reference.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature of numbers, or `prediction`), value (0..1), sample_size (rows in the window)
SELECT
    feature AS subject,
    abs(sum(p) FILTER (WHERE is_outside) - sum(q) FILTER (WHERE is_outside)) AS value,
    sum(observed)::bigint AS sample_size
FROM
    window_bins(
        %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
    )
GROUP BY feature
HAVING bool_or(is_outside)
