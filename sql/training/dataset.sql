-- The rows of a dataset, as training_row() gives them, whose labels were due. Rows of one moment are in the order of
-- their ids' bytes, which is the same in every store.
-- params: model text, as_of timestamptz, since timestamptz (-infinity for all), label_delay interval
-- returns: id text, created_at timestamptz, input jsonb, label jsonb, the oldest first
SELECT
    id,
    created_at,
    input,
    label
FROM training_row(%(model)s::text, %(as_of)s::timestamptz, %(since)s::timestamptz)
WHERE created_at <= %(as_of)s::timestamptz - %(label_delay)s::interval
ORDER BY created_at ASC, id COLLATE "C" ASC
