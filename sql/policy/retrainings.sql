-- The retrainings of a model that had ended by a moment.
-- They are all of the seven days before it, and the newest that failed and the newest that did not. A retraining whose
-- release was promoted counts as promoted, whatever its run in Airflow came to.
-- params: model text, before timestamptz, newest integer (how many of each kind)
-- returns: ended_at timestamptz; outcome text, which is rolled_back for a promotion that was undone by then;
--   cost double precision. The oldest first.
WITH ended AS (
    SELECT
        retraining.run_id,
        retraining.cost,
        greatest(retraining.finished_at, promoted.promoted_at) AS ended_at,
        CASE
            WHEN promoted.is_undone THEN 'rolled_back'
            WHEN promoted.run_id IS NOT NULL THEN 'promoted'
            ELSE retraining.outcome
        END AS outcome
    FROM retraining
    LEFT JOIN LATERAL (
        SELECT
            release.run_id,
            release.promoted_at,
            release.state = 'rolled_back'
            AND coalesce(release.ended_at <= %(before)s::timestamptz, true) AS is_undone
        FROM release
        WHERE
            release.model = retraining.model
            AND release.run_id = retraining.run_id
            AND release.promoted_at <= %(before)s::timestamptz
    ) AS promoted ON true
    WHERE retraining.model = %(model)s::text AND retraining.finished_at <= %(before)s::timestamptz
),

placed AS (
    SELECT
        run_id,
        ended_at,
        outcome,
        cost,
        row_number() OVER (
            PARTITION BY outcome = 'failed'
            ORDER BY ended_at DESC, run_id DESC
        ) AS place
    FROM ended
)

SELECT
    ended_at,
    outcome,
    cost
FROM placed
WHERE place <= %(newest)s::integer OR ended_at > %(before)s::timestamptz - interval '7 days'
ORDER BY ended_at, run_id
