-- The age of a label in hours, as a bound that it stays below. The bounds are hours at first, then the days of a week,
-- then a fortnight, a month, a quarter and a year. The last one, of 114 years, holds all. The bounds are a choice.
CREATE OR REPLACE FUNCTION label_age_hours(age interval) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT (ARRAY[1, 3, 6, 12, 24, 48, 72, 96, 120, 144, 168, 336, 720, 2160, 8760, 1000000])[
    1 + width_bucket(extract(EPOCH FROM age), ARRAY[
        3600, 10800, 21600, 43200, 86400, 172800, 259200, 345600, 432000, 518400, 604800, 1209600, 2592000, 7776000,
        31536000
    ]::numeric[])
]
$$
