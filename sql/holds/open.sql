-- Opens a hold, unless a hold of this cause is open.
-- params: model text, cause text, at timestamptz, reason text, run_id text
-- returns: nothing
INSERT INTO hold (model, cause, opened_at, reason, run_id)
VALUES (%(model)s::text, %(cause)s::text, %(at)s::timestamptz, %(reason)s::text, %(run_id)s::text)
ON CONFLICT (model, cause) WHERE closed_at IS NULL DO NOTHING
