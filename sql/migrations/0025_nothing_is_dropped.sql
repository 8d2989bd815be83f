-- What is said twice in other words is kept twice.

-- An alarm that comes again with another detail is kept beside the first one.
ALTER TABLE incident_alarm DROP CONSTRAINT incident_alarm_pkey;
CREATE UNIQUE INDEX one_alarm ON incident_alarm (incident_id, source, jsonb_hash_extended(detail, 0));

-- A monitor run that is cleared compares again. What it then finds or mends is kept beside what it found before.
ALTER TABLE release_comparison DROP CONSTRAINT release_comparison_model_run_id_key;
CREATE INDEX ON release_comparison (model, run_id);
