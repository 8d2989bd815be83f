-- What a calibration was fitted on: rows created from `since` on, as they were known at `fitted_at`, and their hash as
-- in the table `dataset`. NULL: it was not fitted but a person's word.
ALTER TABLE calibration
ADD COLUMN since timestamptz,
ADD COLUMN fingerprint text;
