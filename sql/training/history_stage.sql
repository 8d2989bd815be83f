-- Where the rows of a history file wait within one transaction.
-- params: none
CREATE TEMPORARY TABLE history_stage (
    id text NOT NULL,
    created_at timestamptz NOT NULL,
    input jsonb NOT NULL,
    label jsonb NOT NULL,
    observed_at timestamptz NOT NULL
) ON COMMIT DROP
