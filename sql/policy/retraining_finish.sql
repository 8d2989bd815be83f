-- Records how a retraining ended. A later outcome replaces the first one only if it brought more: a promotion counts
-- more than a kept champion, and either counts more than a failure. So a run that is cleared in Airflow and then
-- promotes is no failure. The reason of a failure is what its task noted, if it did.
-- params: model, run_id text, at timestamptz, outcome text, reason text, version integer or NULL
-- returns: outcome text, reason text, as the store keeps them. No row when the run was never started.
WITH finished AS (
    UPDATE retraining
    SET
        finished_at = %(at)s::timestamptz,
        outcome = %(outcome)s::text,
        reason = CASE
            WHEN %(outcome)s::text = 'failed' THEN coalesce(retraining.reason, %(reason)s::text)
            ELSE %(reason)s::text
        END,
        version = %(version)s::integer
    WHERE
        model = %(model)s::text
        AND run_id = %(run_id)s::text
        AND (
            finished_at IS NULL
            OR (outcome = 'failed' AND %(outcome)s::text != 'failed')
            OR (outcome = 'kept_champion' AND %(outcome)s::text = 'promoted')
        )
    RETURNING outcome, reason
)

SELECT
    coalesce(finished.outcome, retraining.outcome) AS outcome,
    coalesce(finished.reason, retraining.reason) AS reason
FROM retraining
LEFT JOIN finished ON true
WHERE retraining.model = %(model)s::text AND retraining.run_id = %(run_id)s::text
