-- The questions about the releases of a model, or of one release, with their answers.
-- params: model text, release_id bigint (NULL for all of the model)
-- returns: release_id, version, traffic_percent, deadline, words, answer, answered_by, because; is_late boolean says
--   that the deadline is over. The newest first
SELECT
    approval.release_id,
    release.version,
    approval.traffic_percent,
    approval.deadline,
    approval.words,
    approval.answer,
    approval.answered_by,
    approval.because,
    approval.deadline <= clock_timestamp() AS is_late
FROM approval
INNER JOIN release ON approval.release_id = release.release_id
WHERE
    release.model = %(model)s::text
    AND (%(release_id)s::bigint IS NULL OR approval.release_id = %(release_id)s::bigint)
ORDER BY approval.release_id DESC
