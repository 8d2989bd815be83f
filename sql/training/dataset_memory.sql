-- Lets a dataset be joined and sorted in memory, for the rest of the transaction.
-- params: none
-- returns: nothing
SET LOCAL work_mem = '256MB'
