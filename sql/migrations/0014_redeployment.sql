-- A revision that was only deployed again, with another environment and the same answers, is no other calibration.
ALTER TABLE calibration
ADD COLUMN carries_on text; -- the revision whose answers go on; NULL: the answers are others, or were withdrawn
