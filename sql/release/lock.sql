-- Wait until nobody else moves the releases of a model; held until the transaction ends.
-- params: model text
-- returns: one row
SELECT pg_advisory_xact_lock(hashtext('cyclone release'), hashtext(%(model)s::text)) IS NULL AS is_locked
