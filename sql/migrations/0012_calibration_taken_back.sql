-- Why a person withdrew a calibration, or rolled it back: its version is corrected no more.
ALTER TABLE calibration ADD COLUMN withdrawn_because text;
