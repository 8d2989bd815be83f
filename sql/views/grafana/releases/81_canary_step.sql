-- The canary steps of every release. started_at and ended_at are in event time: in a replay they are counted from when
-- the candidate was made, because a step itself takes wall time.
CREATE OR REPLACE VIEW canary_step AS
WITH shift AS ( -- from event time to wall time, which are one and the same where nothing is replayed
    SELECT
        release.release_id,
        CASE
            WHEN abs(extract(EPOCH FROM min(step.started_at) - release.created_at)) > 86400
                THEN min(step.started_at) - release.created_at
            ELSE interval '0'
        END AS length
    FROM release
    INNER JOIN release_step AS step ON release.release_id = step.release_id
    GROUP BY release.release_id
)

SELECT
    release.model,
    release.version,
    release.revision,
    release.release_id,
    release.run_id,
    step.step_number,
    step.traffic_percent,
    step.verdict,
    step.goes_on,
    step.detail ->> 'reason' AS reason,
    step.detail -> 'numbers' AS numbers,
    step.started_at - shift.length AS started_at,
    step.ended_at - shift.length AS ended_at,
    extract(EPOCH FROM coalesce(step.ended_at, clock_timestamp()) - step.started_at)::double precision AS seconds,
    airflow_page(page_link.airflow, 'retrain__' || release.model, release.run_id) AS airflow_url
FROM release
INNER JOIN release_step AS step ON release.release_id = step.release_id
INNER JOIN shift ON release.release_id = shift.release_id
CROSS JOIN page_link
