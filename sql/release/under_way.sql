-- The releases of a model that are on their way, and whether nobody leads them any more: their retraining has
-- ended, or a newer release serves.
-- params: model text
-- returns: the releases, the newest first, with is_abandoned boolean
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
    retraining.finished_at IS NOT NULL
    OR coalesce(release.release_id < release_record.release_id, false) AS is_abandoned
FROM release
LEFT JOIN retraining ON release.run_id = retraining.run_id
LEFT JOIN release_record ON release.model = release_record.model
WHERE release.model = %(model)s::text AND release.state IN ('candidate', 'canary')
ORDER BY release.release_id DESC
