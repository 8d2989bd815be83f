-- Errors by the age of the label had no reader: champion and candidate are compared over the same stretch of time,
-- looked at at the same moment, so that the labels of both are equally old.
DROP TABLE error_age_rollup;
DROP FUNCTION IF EXISTS label_age_hours(interval);
