-- Note the share of the traffic that the champion keeps while newer canaries have the rest.
-- params: model text
UPDATE release
SET
    traffic_percent = 100 - coalesce(
        (
            SELECT sum(canary.traffic_percent)
            FROM release AS canary
            WHERE
                canary.model = release.model
                AND canary.state = 'canary'
                AND canary.release_id > release.release_id
        ),
        0
    )
WHERE model = %(model)s::text AND state = 'champion'
