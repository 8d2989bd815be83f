-- What is under way of a model: the open incident, the retraining that answers it, and its newest candidate.
-- params: model text
-- returns: incident_id bigint, opened_at timestamptz, reason text, all NULL without an open incident; run_id text,
--   version, traffic_percent integer, state text, NULL without a candidate; started_at timestamptz;
--   question text, deadline timestamptz, NULL unless it waits for a person. One row.
SELECT
    incident.incident_id,
    incident.opened_at,
    incident.reason,
    retraining.started_at,
    candidate.version,
    candidate.traffic_percent,
    candidate.state,
    candidate.question,
    candidate.deadline,
    coalesce(candidate.run_id, retraining.run_id) AS run_id
FROM (SELECT %(model)s::text AS model) AS of_model
LEFT JOIN incident ON of_model.model = incident.model AND incident.closed_at IS NULL
LEFT JOIN retraining ON incident.incident_id = retraining.incident_id
LEFT JOIN LATERAL (
    SELECT
        release.version,
        release.traffic_percent,
        release.state,
        release.run_id,
        approval.words AS question,
        approval.deadline
    FROM release
    LEFT JOIN approval ON release.release_id = approval.release_id AND approval.answer IS NULL
    WHERE release.model = of_model.model AND release.state IN ('candidate', 'canary')
    ORDER BY release.release_id DESC
    LIMIT 1
) AS candidate ON true
