-- Allows each group and sort of this transaction so much memory before Postgres writes it to disk.
-- params: memory text, e.g. 64MB
-- returns: the same
SELECT set_config('work_mem', %(memory)s::text, true) AS memory
