-- What the newest canary step of a version measured of candidate and champion.
-- params: model text, version integer
-- returns: measure text; step_number, traffic_percent integer; candidate, champion, compared_low, compared_high,
--   limit_value double precision or NULL; candidate_samples, champion_samples bigint or NULL
SELECT
    measure,
    step_number,
    traffic_percent,
    candidate,
    candidate_samples,
    champion,
    champion_samples,
    compared_low,
    compared_high,
    limit_value
FROM release_measure
WHERE
    model = %(model)s::text
    AND version = %(version)s::integer
    AND step_number = (
        SELECT max(newest.step_number)
        FROM release_measure AS newest
        WHERE newest.model = %(model)s::text AND newest.version = %(version)s::integer
    )
ORDER BY measure
