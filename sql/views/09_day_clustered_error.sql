-- The standard error of ratio = sum(totals) / sum(weights), of one total and weight a day: rows of a day are alike,
-- days are not. As clustered standard errors are defined (Liang & Zeger 1986), with the correction days / (days - 1);
-- where all days weigh the same it is that of the mean of the days. NULL with one day only.
CREATE OR REPLACE FUNCTION day_clustered_error(
    totals double precision[], weights double precision[], ratio double precision
) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
    WHEN count(*) > 1
        THEN sqrt(count(*) / (count(*) - 1.0)::double precision * sum((total - ratio * weight) ^ 2 ORDER BY place))
            / nullif(abs(sum(weight ORDER BY place)), 0)
END
FROM unnest(totals, weights) WITH ORDINALITY AS day (total, weight, place)
$$
