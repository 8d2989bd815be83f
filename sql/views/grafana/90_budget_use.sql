-- What the retrainings of each model's newest seven days cost, beside its budget, and how many were futile.
CREATE OR REPLACE VIEW budget_use AS
SELECT
    monitored_model.model,
    monitored_model.budget_per_week AS budget,
    coalesce(sum(retraining.cost), 0) AS spent,
    coalesce(sum(retraining.cost), 0) / monitored_model.budget_per_week AS spent_share,
    count(retraining.run_id) AS retrainings,
    count(*) FILTER (WHERE retraining.outcome IN ('kept_champion', 'failed')) AS futile
FROM monitored_model
INNER JOIN model_present ON monitored_model.model = model_present.model
LEFT JOIN retraining
    ON
        monitored_model.model = retraining.model
        AND retraining.started_at > model_present.present - interval '7 days'
GROUP BY monitored_model.model, monitored_model.budget_per_week
