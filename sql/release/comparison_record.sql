-- Records what a comparison with the release record has found. The first record of a run stays.
-- params: model text, run_id text, at timestamptz, differences json text (a list of where, found and wanted),
--   is_mended boolean
-- returns: nothing
INSERT INTO release_comparison (model, run_id, at, differences, is_mended)
VALUES (
    %(model)s::text, %(run_id)s::text, %(at)s::timestamptz, %(differences)s::jsonb, %(is_mended)s::boolean
)
ON CONFLICT (model, run_id) DO NOTHING
