-- Records that a model is retired, with the retrainings under way, which release nothing any more. Nothing is recorded
-- when the model has neither a release that serves or is on its way, nor a retraining, and was retired before.
-- params: model text, at timestamptz, asked_by text, because text
-- returns: version integer (that served, NULL when none did), ended_runs text[]. One row, or none.
WITH live AS (
    SELECT
        version,
        state
    FROM release
    WHERE model = %(model)s::text AND state IN ('candidate', 'canary', 'champion')
),

running AS (
    SELECT run_id
    FROM retraining
    WHERE model = %(model)s::text AND finished_at IS NULL
),

released AS (
    SELECT
        count(*) AS releases,
        max(version) FILTER (WHERE state = 'champion') AS version
    FROM live
),

ended AS (
    SELECT coalesce(array_agg(run_id ORDER BY run_id), '{}') AS run_ids
    FROM running
),

earlier AS (
    SELECT count(*) AS retirements
    FROM retirement
    WHERE model = %(model)s::text
)

INSERT INTO retirement (model, at, version, asked_by, because, ended_runs)
SELECT
    %(model)s::text AS model,
    %(at)s::timestamptz AS at,
    released.version,
    %(asked_by)s::text AS asked_by,
    %(because)s::text AS because,
    ended.run_ids AS ended_runs
FROM released
CROSS JOIN ended
CROSS JOIN earlier
WHERE released.releases > 0 OR cardinality(ended.run_ids) > 0 OR earlier.retirements = 0
RETURNING version, ended_runs
