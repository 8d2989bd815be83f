-- Make the release record of a model, unless it has one.
-- params: model text, release_id bigint
INSERT INTO release_record (model, release_id, generation)
VALUES (%(model)s::text, %(release_id)s::bigint, 1)
ON CONFLICT (model) DO NOTHING
