-- What each canary step measured of candidate and champion, one row a measure. compared_low and compared_high are the
-- interval of what is compared with the limit, NULL for steps that were judged before these were kept.
CREATE OR REPLACE VIEW release_measure AS
SELECT
    canary_step.model,
    canary_step.version,
    canary_step.step_number,
    canary_step.traffic_percent,
    canary_step.started_at,
    canary_step.verdict,
    measure.name AS measure,
    (canary_step.numbers ->> ('candidate_' || measure.name))::double precision AS candidate,
    (canary_step.numbers ->> ('candidate_' || measure.name || '_samples'))::bigint AS candidate_samples,
    (canary_step.numbers ->> ('champion_' || measure.name))::double precision AS champion,
    (canary_step.numbers ->> ('champion_' || measure.name || '_samples'))::bigint AS champion_samples,
    (canary_step.numbers ->> (measure.name || '_low'))::double precision AS compared_low,
    (canary_step.numbers ->> (measure.name || '_high'))::double precision AS compared_high,
    (canary_step.numbers ->> (measure.name || '_limit'))::double precision AS limit_value
FROM canary_step
CROSS JOIN (
    VALUES
    ('failure_share'), ('latency_mean_ms'), ('error'), ('prediction_shift'), ('lost_share'), ('vanished_instances')
) AS measure (name)
WHERE canary_step.numbers ? ('candidate_' || measure.name)
