-- When a label became known, and errors by what was known when; see docs/decisions/0002.

-- is_live: it was received while the wall's clock was the present. In a replay it was known when it was observed, and
-- so were the labels of before this migration.
ALTER TABLE label
ADD COLUMN is_live boolean NOT NULL DEFAULT false,
ADD COLUMN known_at timestamptz GENERATED ALWAYS AS (
    CASE WHEN is_live THEN greatest(observed_at, received_at) ELSE observed_at END
) STORED;
CREATE INDEX ON label (model, known_at);
DROP INDEX label_model_observed_at_idx;

-- Errors are counted again from the log, by the next roll-up.
TRUNCATE error_rollup, error_age_rollup, confusion_rollup, label_waiting;
ALTER TABLE rollup_watermark
ADD COLUMN errors_counted pg_snapshot NOT NULL DEFAULT '1:1:'; -- the snapshot whose labels are counted

-- bucket_start is the hour of the prediction. Sums over known_day up to a day are what was known when it ended: a
-- correction takes the old error away on the day on which it became known.
ALTER TABLE error_rollup
DROP CONSTRAINT error_rollup_pkey,
ADD COLUMN known_day timestamptz NOT NULL,
ADD PRIMARY KEY (model, version, bucket_start, known_day);
ALTER TABLE confusion_rollup
DROP COLUMN time_basis,
ADD COLUMN known_day timestamptz NOT NULL,
ADD PRIMARY KEY (model, version, bucket_start, known_day, label, predicted);
