-- The retrainings of a model that had ended by a moment.
-- They are all of the seven days before it, and the newest that failed and the newest that did not.
-- params: model text, before timestamptz, newest integer (how many of each kind)
-- returns: ended_at timestamptz; outcome text, which is rolled_back for a promotion that was undone by then;
--   cost double precision. The oldest first.
WITH ended AS (
    SELECT
        retraining.run_id,
        retraining.finished_at AS ended_at,
        retraining.cost,
        CASE
            WHEN
                retraining.outcome = 'promoted'
                AND release.state = 'rolled_back'
                AND coalesce(release.ended_at <= %(before)s::timestamptz, true)
                THEN 'rolled_back'
            ELSE retraining.outcome
        END AS outcome,
        row_number() OVER (
            PARTITION BY retraining.outcome = 'failed'
            ORDER BY retraining.finished_at DESC, retraining.run_id DESC
        ) AS place
    FROM retraining
    LEFT JOIN release ON retraining.run_id = release.run_id
    WHERE retraining.model = %(model)s::text AND retraining.finished_at <= %(before)s::timestamptz
)

SELECT
    ended_at,
    outcome,
    cost
FROM ended
WHERE place <= %(newest)s::integer OR ended_at > %(before)s::timestamptz - interval '7 days'
ORDER BY ended_at, run_id
