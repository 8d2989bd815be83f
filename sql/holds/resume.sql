-- Closes the open holds of some causes by a person's word.
-- params: model text, causes text[], at timestamptz, closed_by text, because text
-- returns: cause text, reason text
UPDATE hold
SET closed_at = %(at)s::timestamptz, closed_by = %(closed_by)s::text, because = %(because)s::text
WHERE model = %(model)s::text AND closed_at IS NULL AND cause = ANY(%(causes)s::text[])
RETURNING cause, reason
