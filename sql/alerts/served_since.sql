-- When what serves of a model was changed last, in event time.
-- params: model text
-- returns: at timestamptz or NULL
SELECT max(at) AS at
FROM timeline
WHERE
    model = %(model)s::text
    AND event IN (
        'candidate',
        'promoted',
        'rolled back',
        'recalibrated',
        'deployed again',
        'calibration withdrawn',
        'reconciled'
    )
