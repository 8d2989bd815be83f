-- Closes the open holds whose cause has gone away by itself.
-- params: model text, standing text[] (the causes that still stand), at timestamptz
-- returns: nothing
UPDATE hold
SET closed_at = %(at)s::timestamptz
WHERE model = %(model)s::text AND closed_at IS NULL AND cause != ALL(%(standing)s::text[])
