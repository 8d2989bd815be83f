-- When a person last closed a hold that earlier retrainings had caused. Holds for broken upstream data do not count.
-- params: model text, before timestamptz
-- returns: at timestamptz or NULL
SELECT max(closed_at) AS at
FROM hold
WHERE
    model = %(model)s::text
    AND cause != 'upstream'
    AND closed_by IS NOT NULL
    AND closed_at <= %(before)s::timestamptz
