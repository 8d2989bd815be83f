-- Make a temporary table in which the rows of a history file wait until the transaction ends.
-- params: none
CREATE TEMPORARY TABLE history_stage (
    id text NOT NULL,
    created_at timestamptz NOT NULL,
    input jsonb NOT NULL,
    label jsonb NOT NULL,
    observed_at timestamptz NOT NULL
) ON COMMIT DROP
