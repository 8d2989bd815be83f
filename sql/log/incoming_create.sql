-- The table that a batch of answered rows is copied into. It is empty again after every transaction.
-- params: none
-- returns: nothing
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_prediction (line jsonb NOT NULL) ON COMMIT DELETE ROWS
