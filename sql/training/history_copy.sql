-- Copy lines of a history file to the temporary table history_stage, from which history_insert takes them.
-- params: CSV on standard input: id, created_at, input, label, observed_at
-- returns: nothing
COPY history_stage FROM STDIN (FORMAT csv)
