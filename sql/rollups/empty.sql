-- Empties the roll-ups of every hour that the log still holds. Hours whose rows were dropped keep their counts.
-- params: model text
-- returns: nothing
WITH held AS (
    SELECT
        (
            SELECT date_bin('1 hour', min(created_at), '2000-01-01T00:00Z')
            FROM prediction_log
            WHERE model = %(model)s::text
        ) AS predicted_since,
        (
            SELECT date_bin('1 hour', min(bucket_start), '2000-01-01T00:00Z')
            FROM request_stat
            WHERE model = %(model)s::text
        ) AS requested_since
),

counted_rows AS (
    DELETE FROM row_rollup USING held
    WHERE model = %(model)s::text AND bucket_start >= predicted_since
),

counted_features AS (
    DELETE FROM feature_rollup USING held
    WHERE model = %(model)s::text AND bucket_start >= predicted_since
),

summed_errors AS (
    DELETE FROM error_rollup USING held
    WHERE model = %(model)s::text AND bucket_start >= predicted_since
),

aged_errors AS (
    DELETE FROM error_age_rollup USING held
    WHERE model = %(model)s::text AND bucket_start >= predicted_since
),

counted_classes AS (
    DELETE FROM confusion_rollup USING held
    WHERE model = %(model)s::text AND bucket_start >= predicted_since
),

waiting AS (
    DELETE FROM label_waiting
    WHERE model = %(model)s::text
)

DELETE FROM request_rollup USING held
WHERE model = %(model)s::text AND bucket_start >= requested_since
