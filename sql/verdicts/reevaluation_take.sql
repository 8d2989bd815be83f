-- Locks the model's watermark until commit, so that two reevaluations of a model never overlap.
-- params: model text
-- returns: seen text (the pg_snapshot that was judged before), counted text (the pg_snapshot that is rolled up by now)
INSERT INTO reevaluation_watermark AS watermark (model)
VALUES (%(model)s::text)
ON CONFLICT (model) DO UPDATE SET model = excluded.model
RETURNING
    watermark.seen::text AS seen,
    coalesce(
        (
            SELECT rollup_watermark.counted
            FROM rollup_watermark
            WHERE rollup_watermark.model = %(model)s::text
        ),
        watermark.seen
    )::text AS counted
