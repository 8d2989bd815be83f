-- Records what a comparison with the release record has found. A repeat of what the run has found last adds nothing.
-- params: model text, run_id text, at timestamptz, differences json text (a list of where, found and wanted),
--   is_mended boolean
-- returns: nothing
WITH last AS (
    SELECT
        differences,
        is_mended
    FROM release_comparison
    WHERE model = %(model)s::text AND run_id = %(run_id)s::text
    ORDER BY comparison_id DESC
    LIMIT 1
)

INSERT INTO release_comparison (model, run_id, at, differences, is_mended)
SELECT
    %(model)s::text AS model,
    %(run_id)s::text AS run_id,
    %(at)s::timestamptz AS at,
    %(differences)s::jsonb AS differences,
    %(is_mended)s::boolean AS is_mended
WHERE
    NOT EXISTS (
        SELECT 1
        FROM last
        WHERE last.differences = %(differences)s::jsonb AND last.is_mended = %(is_mended)s::boolean
    )
