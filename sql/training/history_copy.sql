-- Puts lines of history where the next statement takes them from.
-- params: CSV on standard input: id, created_at, input, label, observed_at
-- returns: nothing
COPY history_stage FROM STDIN (FORMAT csv)
