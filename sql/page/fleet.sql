-- Every model with what a person has to know of it. Those that need a person come first, then those whose error has
-- risen most.
-- params: none
-- returns: model, verdict, sentence text; attention integer; is_unwatched, is_held, is_canary, is_waiting,
--   has_failed boolean; version, canary_version, canary_percent integer; error, accepted_error, error_limit,
--   error_ratio double precision; metric text; incident_id bigint; decided_at timestamptz; action, reason,
--   canary_run text
SELECT
    model_trouble.model,
    greatest(model_trouble.attention, CASE WHEN canary.is_waiting THEN 3 END) AS attention,
    model_trouble.verdict,
    model_trouble.sentence,
    model_trouble.is_unwatched,
    model_trouble.is_held,
    model_trouble.incident_id,
    serving_version.version,
    typical_error.error,
    typical_error.accepted_error,
    typical_error.error_limit,
    typical_error.error / nullif(typical_error.accepted_error, 0) AS error_ratio,
    monitored_model.metric,
    decided.at AS decided_at,
    decided.action,
    decided.reason,
    canary.version AS canary_version,
    canary.traffic_percent AS canary_percent,
    canary.run_id AS canary_run,
    canary.version IS NOT NULL AS is_canary,
    coalesce(canary.is_waiting, false) AS is_waiting,
    coalesce(ended.outcome = 'failed', false) AS has_failed
FROM model_trouble
LEFT JOIN serving_version ON model_trouble.model = serving_version.model
LEFT JOIN typical_error ON model_trouble.model = typical_error.model
LEFT JOIN monitored_model ON model_trouble.model = monitored_model.model
LEFT JOIN LATERAL (
    SELECT
        decision.at,
        decision.action,
        decision.reason
    FROM decision
    WHERE decision.model = model_trouble.model
    ORDER BY decision.at DESC, decision.asked_by IS NOT NULL
    LIMIT 1
) AS decided ON true
LEFT JOIN LATERAL (
    SELECT
        release.version,
        release.traffic_percent,
        release.run_id,
        approval.release_id IS NOT NULL AS is_waiting
    FROM release
    LEFT JOIN approval ON release.release_id = approval.release_id AND approval.answer IS NULL
    WHERE release.model = model_trouble.model AND release.state IN ('candidate', 'canary')
    ORDER BY release.release_id DESC
    LIMIT 1
) AS canary ON true
LEFT JOIN LATERAL (
    SELECT retraining.outcome
    FROM retraining
    WHERE retraining.model = model_trouble.model AND retraining.finished_at IS NOT NULL
    ORDER BY retraining.started_at DESC
    LIMIT 1
) AS ended ON true
ORDER BY
    attention DESC,
    is_canary DESC,
    error_ratio DESC NULLS LAST,
    model_trouble.model ASC
