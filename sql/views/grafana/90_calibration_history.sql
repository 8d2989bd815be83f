-- Every calibration that served or serves, with the error on the newest labels without it and with it.
CREATE OR REPLACE VIEW calibration_history AS
SELECT
    calibration.model,
    calibration.version,
    calibration.calibration_id,
    coalesce(calibration.method, 'none') AS method,
    calibration.parameters::text AS parameters,
    calibration.fitted_at,
    calibration.served_at,
    calibration.withdrawn_at,
    calibration.revision,
    calibration.row_count,
    calibration.error_without,
    calibration.error_with,
    calibration.reason,
    calibration.served_at IS NOT NULL AND calibration.revision = serving_version.revision AS is_in_force,
    'cyclone explain ' || calibration.model || ':v' || calibration.version AS explain
FROM calibration
LEFT JOIN serving_version ON calibration.model = serving_version.model
WHERE calibration.served_at IS NOT NULL
