-- Let Postgres read with several workers in this transaction. Postgres assumes that reading the features of a row costs
-- nearly nothing, and that handing a row from one process to another costs much. With JSONB it is the other way round.
-- params: none
-- returns: one row, of no use
SELECT
    set_config('parallel_setup_cost', '0', TRUE) AS setup_cost,
    set_config('parallel_tuple_cost', '0', TRUE) AS tuple_cost
