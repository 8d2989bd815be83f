-- The releases of a model, or the release of a run, or the release with a number.
-- params: model text, run_id text (of that model), release_id bigint, states text[] (only releases in one of these
--   states). Each is NULL where it is not asked for
-- returns: the releases, the newest first. is_abandoned boolean says that nobody leads the release any more, because
--   its retraining has ended or a newer release serves
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
LEFT JOIN retraining ON release.model = retraining.model AND release.run_id = retraining.run_id
LEFT JOIN release_record ON release.model = release_record.model
WHERE
    (%(model)s::text IS NULL OR release.model = %(model)s::text)
    AND (%(run_id)s::text IS NULL OR release.run_id = %(run_id)s::text)
    AND (%(release_id)s::bigint IS NULL OR release.release_id = %(release_id)s::bigint)
    AND (%(states)s::text[] IS NULL OR release.state = any(%(states)s::text[]))
ORDER BY release.release_id DESC
