-- Copies a batch of answered rows, CSV on standard input, into its temporary table.
-- params: none
-- returns: nothing
COPY incoming_prediction (sequence, id, created_at, latency_ms, input, prediction) FROM STDIN (FORMAT csv)
