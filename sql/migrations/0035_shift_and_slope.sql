-- Class probabilities may be corrected by a shift of each class and one slope.
ALTER TABLE calibration
DROP CONSTRAINT calibration_method_check,
ADD CONSTRAINT calibration_method_check CHECK (
    method IN ('ratio', 'bias', 'prior_shift', 'temperature', 'shift_and_slope')
);
