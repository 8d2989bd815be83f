-- Whether a model is known, with the end of its newest logged hour and the metric that its policy judges by.
-- params: model text
-- returns: model text; present timestamptz or NULL; metric text or NULL. No row for an unknown model.
SELECT
    model_present.model,
    model_present.present,
    monitored_model.metric
FROM model_present
LEFT JOIN monitored_model ON model_present.model = monitored_model.model
WHERE model_present.model = %(model)s::text
