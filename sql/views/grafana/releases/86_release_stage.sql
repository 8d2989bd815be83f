-- How long each step took from the alarm to all traffic, one row a stage of each retraining that made a candidate.
-- Beginnings are in event time. In a replay only canary steps have a length, because the others span two clocks.
CREATE OR REPLACE VIEW release_stage AS
WITH stage AS (
    SELECT
        release.model,
        release.version,
        release.run_id,
        1 AS place,
        'alarm to start' AS stage,
        incident.opened_at AS started_at,
        extract(EPOCH FROM retraining.started_at - incident.opened_at) AS seconds
    FROM release
    INNER JOIN retraining ON release.model = retraining.model AND release.run_id = retraining.run_id
    INNER JOIN incident ON retraining.incident_id = incident.incident_id
    UNION ALL
    SELECT
        release.model,
        release.version,
        release.run_id,
        2 AS place,
        'data, training, gate and image' AS stage,
        retraining.started_at,
        extract(EPOCH FROM release.created_at - retraining.started_at) AS seconds
    FROM release
    INNER JOIN retraining ON release.model = retraining.model AND release.run_id = retraining.run_id
    UNION ALL
    SELECT
        release.model,
        release.version,
        release.run_id,
        3 AS place,
        'rehearsal' AS stage,
        release.created_at AS started_at,
        extract(EPOCH FROM first_step.started_at - release.created_at) AS seconds
    FROM release
    INNER JOIN canary_step AS first_step ON release.release_id = first_step.release_id AND first_step.step_number = 1
    UNION ALL
    SELECT
        model,
        version,
        run_id,
        3 + step_number AS place,
        'canary ' || traffic_percent || ' %' AS stage,
        started_at,
        seconds
    FROM canary_step
)

SELECT
    stage.model,
    stage.version,
    stage.run_id,
    stage.place,
    stage.stage,
    stage.started_at,
    greatest(stage.seconds, 0)::double precision AS seconds,
    airflow_page(page_link.airflow, 'retrain__' || stage.model, stage.run_id) AS airflow_url
FROM stage
CROSS JOIN page_link
