-- The newest comparison of a model with its release record, as known at a moment.
-- params: model text, at timestamptz
-- returns: differences jsonb (a list of where, found and wanted), is_mended boolean. No row before the first one.
SELECT
    differences,
    is_mended
FROM release_comparison
WHERE model = %(model)s::text AND at <= %(at)s::timestamptz
ORDER BY at DESC, comparison_id DESC
LIMIT 1
