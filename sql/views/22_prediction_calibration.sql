-- Which calibration answered each logged row: none where the revision had none.
CREATE OR REPLACE VIEW prediction_calibration AS
SELECT
    prediction_log.model,
    prediction_log.id,
    prediction_log.created_at,
    prediction_log.version,
    prediction_log.revision,
    calibration.calibration_id,
    calibration.method,
    calibration.parameters
FROM prediction_log
LEFT JOIN calibration
    ON prediction_log.model = calibration.model AND prediction_log.revision = calibration.revision
