-- What a model's history was last loaded from.
-- params: model text
-- returns: fingerprint text, no row when it was never loaded
SELECT fingerprint
FROM history_load
WHERE model = %(model)s::text
