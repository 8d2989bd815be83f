-- Lets Postgres spread this transaction's reading over workers. It takes the features of a row for nearly free, and to
-- hand a row from one process to another for dear; with JSONB it is the other way round.
-- params: none
-- returns: one row, of no use
SELECT
    set_config('parallel_setup_cost', '0', TRUE) AS setup_cost,
    set_config('parallel_tuple_cost', '0', TRUE) AS tuple_cost
