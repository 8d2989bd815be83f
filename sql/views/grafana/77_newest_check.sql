-- The verdicts of the newest run of each check on the version that serves.
CREATE OR REPLACE VIEW newest_check AS
SELECT
    verdict.model,
    verdict.version,
    verdict.kind,
    verdict.check_name,
    verdict.subject,
    verdict.value,
    verdict.limit_value,
    verdict.sample_size,
    verdict.verdict,
    verdict.reason,
    verdict.window_end,
    verdict.evaluated_at
FROM serving_version
CROSS JOIN (VALUES ('drift'), ('error'), ('estimate'), ('service')) AS kind (name)
CROSS JOIN
    LATERAL (
        SELECT current_verdict.window_end
        FROM current_verdict
        WHERE
            current_verdict.model = serving_version.model
            AND current_verdict.version = serving_version.version
            AND current_verdict.kind = kind.name
        ORDER BY current_verdict.window_end DESC
        LIMIT 1
    ) AS newest
CROSS JOIN
    LATERAL (
        SELECT
            current_verdict.*,
            first_value(current_verdict.run_id) OVER (
                PARTITION BY current_verdict.check_name ORDER BY current_verdict.result_id DESC
            ) AS newest_run
        FROM current_verdict
        WHERE
            current_verdict.model = serving_version.model
            AND current_verdict.version = serving_version.version
            AND current_verdict.kind = kind.name
            AND current_verdict.window_end = newest.window_end
    ) AS verdict
WHERE verdict.run_id = verdict.newest_run
