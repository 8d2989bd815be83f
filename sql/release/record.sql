-- The release record of a model, which says which release is its champion.
-- params: model text
-- returns: release_id bigint, generation bigint, one row or none
SELECT
    release_id,
    generation
FROM release_record
WHERE model = %(model)s::text
