-- The version that serves each model, by its release record, with what it was accepted with.
CREATE OR REPLACE VIEW serving_version AS
SELECT
    release.model,
    release.version,
    release.revision,
    release.run_id,
    release.promoted_at,
    reference_profile.mlflow_run_id,
    reference_profile.metric,
    reference_profile.accepted_error
FROM release_record
INNER JOIN release ON release_record.release_id = release.release_id
LEFT JOIN reference_profile ON release.model = reference_profile.model AND release.version = reference_profile.version
WHERE release.state = 'champion'
