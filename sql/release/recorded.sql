-- The models that have a champion by the release record.
-- params: none
-- returns: model text, version integer, by the model's name
SELECT
    release_record.model,
    release.version
FROM release_record
INNER JOIN release ON release_record.release_id = release.release_id
ORDER BY release_record.model
