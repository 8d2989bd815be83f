-- One retraining of a model by its run.
-- params: model text, run_id text
-- returns: run_id text; incident_id bigint or NULL; started_at, finished_at timestamptz; version integer or NULL;
--   outcome, reason text or NULL; cost double precision; revision, state, why text or NULL; traffic_percent integer;
--   question text, deadline timestamptz, NULL unless it waits for a person
SELECT
    of_run.run_id,
    retraining.incident_id,
    retraining.started_at,
    retraining.finished_at,
    retraining.outcome,
    retraining.reason,
    retraining.cost,
    release.revision,
    release.state,
    release.reason AS why,
    release.traffic_percent,
    approval.words AS question,
    approval.deadline,
    coalesce(release.version, retraining.version) AS version
FROM (SELECT %(run_id)s::text AS run_id) AS of_run
LEFT JOIN retraining ON of_run.run_id = retraining.run_id AND retraining.model = %(model)s::text
LEFT JOIN release ON of_run.run_id = release.run_id AND release.model = %(model)s::text
LEFT JOIN approval
    ON
        release.release_id = approval.release_id
        AND approval.answer IS NULL
        AND release.state IN ('candidate', 'canary')
WHERE retraining.run_id IS NOT NULL OR release.run_id IS NOT NULL
