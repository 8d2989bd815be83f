-- Note the share of the traffic that the champion keeps while a canary has the rest.
-- params: model text, traffic_percent integer
UPDATE release
SET traffic_percent = %(traffic_percent)s::integer
WHERE model = %(model)s::text AND state = 'champion'
