-- The standard error of ratio = sum(totals) / sum(weights), from one total and one weight for each day. Rows of one day
-- are alike, and days are independent. It is the clustered standard error (Liang & Zeger 1986) with the correction
-- days / (days - 1). If all days weigh the same, it is that of the mean of the days. NULL with one day only. Squares
-- are taken of the distances as shares of the largest one, because those of huge or tiny distances are no floats.
CREATE OR REPLACE FUNCTION day_clustered_error(
    totals double precision[], weights double precision[], ratio double precision
) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
WITH day AS (
    SELECT
        place,
        weight,
        total - ratio * weight AS distance,
        nullif(max(abs(total - ratio * weight)) OVER (), 0) AS largest
    FROM unnest(totals, weights) WITH ORDINALITY AS day (total, weight, place)
)

SELECT CASE
    WHEN count(*) > 1
        THEN
            coalesce(min(largest), 0)
            * sqrt(
                count(*)
                / (count(*) - 1.0)::double precision
                * coalesce(sum(bounded_float(distance / largest) ^ 2 ORDER BY place), 0)
            )
            / nullif(abs(sum(weight ORDER BY place)), 0)
END
FROM day
$$
