-- Every model with what a person has to know of it. Those that need a person come first, then those whose error has
-- risen most.
-- params: none
-- returns: model, verdict, sentence text; attention integer; is_unwatched, is_held, is_canary, has_failed boolean;
--   version, canary_version, canary_percent integer; error, accepted_error, error_limit, error_ratio, completeness
--   double precision; metric text; incident_id bigint; present, decided_at timestamptz; action, reason text
SELECT
    model_status.model,
    model_status.attention,
    model_status.verdict,
    model_status.sentence,
    model_status.is_unwatched,
    model_status.version,
    model_status.error,
    model_status.accepted_error,
    model_status.error_limit,
    model_status.error_ratio,
    model_status.incident_id,
    model_status.completeness,
    model_status.present,
    monitored_model.metric,
    decided.at AS decided_at,
    decided.action,
    decided.reason,
    canary.version AS canary_version,
    canary.traffic_percent AS canary_percent,
    canary.version IS NOT NULL AS is_canary,
    coalesce(ended.outcome = 'failed', false) AS has_failed,
    held.model IS NOT NULL AS is_held
FROM model_status
LEFT JOIN monitored_model ON model_status.model = monitored_model.model
LEFT JOIN LATERAL (
    SELECT
        decision.at,
        decision.action,
        decision.reason
    FROM decision
    WHERE decision.model = model_status.model
    ORDER BY decision.at DESC
    LIMIT 1
) AS decided ON true
LEFT JOIN LATERAL (
    SELECT
        release.version,
        release.traffic_percent
    FROM release
    WHERE release.model = model_status.model AND release.state IN ('candidate', 'canary')
    ORDER BY release.release_id DESC
    LIMIT 1
) AS canary ON true
LEFT JOIN LATERAL (
    SELECT retraining.outcome
    FROM retraining
    WHERE retraining.model = model_status.model AND retraining.finished_at IS NOT NULL
    ORDER BY retraining.started_at DESC
    LIMIT 1
) AS ended ON true
LEFT JOIN LATERAL (
    SELECT hold.model
    FROM hold
    WHERE hold.model = model_status.model AND hold.closed_at IS NULL
    ORDER BY hold.hold_id
    LIMIT 1
) AS held ON true
ORDER BY
    model_status.attention DESC,
    canary.version IS NULL ASC,
    model_status.error_ratio DESC NULLS LAST,
    model_status.model ASC
