-- Keeps a row that Postgres refused, with the reason.
-- params: instance_id text, sequence bigint, model text, version integer, revision text, row_text text,
--   reason text
-- returns: nothing
INSERT INTO set_aside_row (instance_id, sequence, model, version, revision, row_text, reason)
VALUES (
    %(instance_id)s::text,
    %(sequence)s::bigint,
    %(model)s::text,
    %(version)s::integer,
    %(revision)s::text,
    %(row_text)s::text,
    %(reason)s::text
)
ON CONFLICT DO NOTHING
