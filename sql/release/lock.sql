-- Lock the releases of a model until the transaction ends. If another transaction has the lock, wait for it.
-- params: model text
-- returns: one row
SELECT pg_advisory_xact_lock(hashtext('cyclone release'), hashtext(%(model)s::text)) IS NULL AS is_locked
