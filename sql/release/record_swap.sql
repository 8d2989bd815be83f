-- Let the release record of a model name another release, unless it was changed since it was read.
-- params: model text, release_id bigint, generation bigint (as it was read)
UPDATE release_record
SET
    release_id = %(release_id)s::bigint,
    generation = generation + 1
WHERE model = %(model)s::text AND generation = %(generation)s::bigint
