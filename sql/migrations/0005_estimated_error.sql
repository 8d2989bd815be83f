-- Of a bin of the prediction: the error to expect of such a prediction before its label is there.
ALTER TABLE reference_bin ADD COLUMN expected_error double precision;
