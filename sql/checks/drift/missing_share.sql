-- Change of the share of rows without a value, of each feature, from the reference to the window.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature), value (0..1), sample_size (rows in the window)
SELECT
    feature AS subject,
    abs(sum(p) FILTER (WHERE bin = -1) - sum(q) FILTER (WHERE bin = -1)) AS value,
    sum(observed)::bigint AS sample_size
FROM
    window_bins(
        %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
    )
GROUP BY feature
HAVING bool_or(bin = -1)
