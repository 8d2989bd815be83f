-- The time by Postgres' clock, which a canary is judged by: its steps, its looks, and what the log and the ledger hold.
-- returns: now timestamptz, one row
SELECT clock_timestamp() AS now
