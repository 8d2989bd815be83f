-- Roll-ups count what became visible since they last looked, exactly once; see docs/decisions/0004-rollups.md.

-- The transaction that stored a row: between two snapshots it is either news or it is not.
ALTER TABLE prediction_log ADD COLUMN stored_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE label ADD COLUMN stored_in xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE request_stat ADD COLUMN stored_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX ON prediction_log (model, version, stored_in);
CREATE INDEX ON label (model, stored_in);
CREATE INDEX ON request_stat (model, stored_in);
DROP INDEX label_model_received_at_idx;

-- Everything that this snapshot sees is counted; the first one sees nothing.
DROP TABLE rollup_watermark;
CREATE TABLE rollup_watermark (
    model text PRIMARY KEY,
    counted pg_snapshot NOT NULL DEFAULT '1:1:'
);

-- The first run counts the log again.
TRUNCATE feature_rollup, error_rollup;

-- Served rows by hour, and the sample of them that feature_rollup counts: a share of 1 / 2 ^ sample_level.
CREATE TABLE row_rollup (
    model text NOT NULL,
    version integer NOT NULL,
    bucket_start timestamptz NOT NULL,
    count bigint NOT NULL,
    sample_level integer NOT NULL DEFAULT 0,
    PRIMARY KEY (model, version, bucket_start)
);

-- `count` estimates the rows of the hour, so that hours of different shares add up; `sampled` were looked at.
ALTER TABLE feature_rollup
ADD COLUMN sample_level integer NOT NULL DEFAULT 0,
ADD COLUMN sampled bigint GENERATED ALWAYS AS (count >> sample_level) STORED;

-- Sums are exact numbers: whatever the order in which rows are added and taken away, they are the same.
ALTER TABLE error_rollup
ALTER COLUMN sum_label TYPE numeric,
ALTER COLUMN sum_prediction TYPE numeric,
ALTER COLUMN sum_absolute_error TYPE numeric,
ALTER COLUMN sum_squared_error TYPE numeric,
ALTER COLUMN sum_log_loss TYPE numeric,
ALTER COLUMN sum_squared_log_loss TYPE numeric,
ADD COLUMN sum_absolute_label numeric,
ADD COLUMN sum_brier numeric,
ADD COLUMN sum_squared_brier numeric;

-- The same by the hour of the prediction and the age at which its newest label was observed, so that two
-- versions can be compared at equal label age: sum up the rows with label_age_hours <= A.
CREATE TABLE error_age_rollup (
    label_age_hours integer NOT NULL, -- the label was younger than that: see label_age_hours()
    LIKE error_rollup,
    PRIMARY KEY (model, version, bucket_start, label_age_hours)
);

-- Classification: how often each class was predicted for each label. time_basis: of bucket_start, the hour of
-- the label or of the prediction.
CREATE TABLE confusion_rollup (
    model text NOT NULL,
    version integer NOT NULL,
    time_basis text NOT NULL CHECK (time_basis IN ('label', 'prediction')),
    bucket_start timestamptz NOT NULL,
    label text NOT NULL,
    predicted text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (model, version, time_basis, bucket_start, label, predicted)
);

-- Ids of labels whose prediction is not stored yet.
CREATE TABLE label_waiting (
    model text NOT NULL,
    id text NOT NULL,
    PRIMARY KEY (model, id)
);

-- request_stat by hour: does not grow with the number of flushes and instances.
CREATE TABLE request_rollup (
    model text NOT NULL,
    version integer NOT NULL,
    bucket_start timestamptz NOT NULL,
    requests bigint NOT NULL,
    rejected bigint NOT NULL,
    failures bigint NOT NULL,
    latency_ms_sum numeric NOT NULL,
    latency_counts bigint[] NOT NULL, -- bounds: latency_bound
    PRIMARY KEY (model, version, bucket_start)
);
