-- The release that the model's record names: its champion.
-- params: model text
-- returns: the release and the record's generation, one row or none
SELECT
    release.release_id,
    release.model,
    release.version,
    release.revision,
    release.image,
    release.image_digest,
    release.run_id,
    release.state,
    release.traffic_percent,
    release.created_at,
    release.promoted_at,
    release.ended_at,
    release.reason,
    release_record.generation
FROM release_record
INNER JOIN release ON release_record.release_id = release.release_id
WHERE release_record.model = %(model)s::text
