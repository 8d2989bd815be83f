-- Note the share of the traffic that is left to the champion.
-- params: model text, traffic_percent integer
UPDATE release
SET traffic_percent = %(traffic_percent)s::integer
WHERE model = %(model)s::text AND state = 'champion'
