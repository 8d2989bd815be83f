-- Sets how much memory each group and sort of this transaction may use before Postgres writes it to disk.
-- params: memory text, such as 64MB
-- returns: the same
SELECT set_config('work_mem', %(memory)s::text, true) AS memory
