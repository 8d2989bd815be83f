-- Jensen-Shannon distance of each feature, and of the prediction, from the version's reference profile.
-- It is sqrt((KL(p, m) + KL(q, m)) / 2) to base 2, where m is the mean of the shares p and q. 0 means equal, and 1
-- means nothing in common. SciPy's jensenshannon(p, q, base=2) and NannyML define it so.
-- params: model text, version integer, window_start timestamptz, window_end timestamptz (whole hours)
-- returns: subject (a feature, or `prediction`), value (0..1), sample_size (rows in the window)
SELECT
    feature AS subject,
    CASE
        WHEN sum(observed) > 0
            THEN sqrt(greatest(0, sum(
                CASE WHEN p > 0 THEN p * ln(2 * p / (p + q)) ELSE 0 END
                + CASE WHEN q > 0 THEN q * ln(2 * q / (p + q)) ELSE 0 END
                ORDER BY bin
            ) / (2 * ln(2::double precision))))
    END AS value,
    sum(observed)::bigint AS sample_size
FROM
    window_bins(
        %(model)s::text, %(version)s::integer, %(window_start)s::timestamptz, %(window_end)s::timestamptz
    )
GROUP BY feature
