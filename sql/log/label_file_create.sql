-- The table that a batch of a file's labels is copied into; empty again after every transaction.
-- params: none
-- returns: nothing
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_label (
    place bigint NOT NULL,
    id text NOT NULL,
    label jsonb NOT NULL,
    observed_at timestamptz NOT NULL,
    is_undated boolean NOT NULL
) ON COMMIT DELETE ROWS
