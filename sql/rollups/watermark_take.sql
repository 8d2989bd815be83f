-- Takes hold of the model's watermark until commit, so that two roll-ups of a model never overlap.
-- Rows carry the time of their insert, but appear at their commit: what is newer than `since` may be unseen.
-- params: model text, overlap_minutes integer
-- returns: since text (a timestamptz, or -infinity), now timestamptz (when this transaction began)
INSERT INTO rollup_watermark AS watermark (model, stored_until)
VALUES (%(model)s::text, '-infinity')
ON CONFLICT (model) DO UPDATE SET model = excluded.model
RETURNING
    (watermark.stored_until - make_interval(mins => %(overlap_minutes)s::integer))::text AS since,
    transaction_timestamp() AS now
