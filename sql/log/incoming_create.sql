-- The table that a batch of answered rows is copied into; empty again after every transaction.
-- params: none
-- returns: nothing
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_prediction (
    sequence bigint NOT NULL,
    id text NOT NULL,
    created_at timestamptz NOT NULL,
    latency_ms real NOT NULL,
    input jsonb NOT NULL,
    prediction jsonb NOT NULL
) ON COMMIT DELETE ROWS
