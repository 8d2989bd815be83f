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
)

INSERT INTO retirement (model, at, version, asked_by, because, ended_runs)
SELECT
    %(model)s::text AS model,
    %(at)s::timestamptz AS at,
    (SELECT live.version FROM live WHERE live.state = 'champion') AS version,
    %(asked_by)s::text AS asked_by,
    %(because)s::text AS because,
    ARRAY(SELECT running.run_id FROM running ORDER BY running.run_id) AS ended_runs
WHERE
    EXISTS (SELECT 1 FROM live)
    OR EXISTS (SELECT 1 FROM running)
    OR NOT EXISTS (SELECT 1 FROM retirement WHERE retirement.model = %(model)s::text)
RETURNING version, ended_runs
