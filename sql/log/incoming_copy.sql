-- Copies a batch of answered rows, one JSON object a line on standard input, into its temporary table.
-- Control characters, which JSON never holds bare, keep CSV from reading anything into a line.
-- params: none
-- returns: nothing
COPY incoming_prediction (line) FROM STDIN (FORMAT csv, DELIMITER e'\x02', QUOTE e'\x01')
