-- Share of rows with a value that the reference has no bin for, of each feature and of the prediction.
-- That is a new category, or another type of value where a number is expected. In the reference the share is 0.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature, or `prediction`), value (0..1), sample_size (rows in the window)
SELECT
    feature AS subject,
    CASE WHEN sum(observed) > 0 THEN coalesce(sum(p) FILTER (WHERE bin = -2), 0) END AS value,
    sum(observed)::bigint AS sample_size
FROM
    window_bins(
        %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
    )
GROUP BY feature
