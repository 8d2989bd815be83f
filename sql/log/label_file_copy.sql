-- Copies a batch of a file's labels, CSV on standard input, into its temporary table.
-- params: none
-- returns: nothing
COPY incoming_label (place, id, label, observed_at, is_undated) FROM STDIN (FORMAT csv)
