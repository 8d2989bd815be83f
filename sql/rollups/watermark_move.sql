-- Says up to which insert time rows and labels are rolled up.
-- params: model text, stored_until timestamptz
-- returns: nothing
UPDATE rollup_watermark
SET stored_until = %(stored_until)s::timestamptz
WHERE model = %(model)s::text
