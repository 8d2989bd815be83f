-- Removes the sums of hours that have no label any more.
-- params: model text
-- returns: nothing
WITH aged AS (
    DELETE FROM error_age_rollup
    WHERE model = %(model)s::text AND count = 0
),

classes AS (
    DELETE FROM confusion_rollup
    WHERE model = %(model)s::text AND count = 0
)

DELETE FROM error_rollup
WHERE model = %(model)s::text AND count = 0
