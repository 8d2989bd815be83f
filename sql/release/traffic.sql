-- The releases of a model that have a share of the traffic, or wait for one.
-- params: model text
-- returns: version integer, revision text, state text, traffic_percent integer
SELECT
    version,
    revision,
    state,
    traffic_percent
FROM release
WHERE model = %(model)s::text AND state IN ('candidate', 'canary', 'champion')
ORDER BY version
