-- The evaluation store: what was predicted, what turned out to be true, what was decided and released.
-- Times: created_at and observed_at are event time; stored_at and received_at are when Postgres learned of it.

-- One row a prediction: makes a repeated id the same prediction, and leads from an id to its partition.
CREATE TABLE prediction_id (
    model text NOT NULL,
    id text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (model, id)
);

CREATE TABLE prediction_log (
    model text NOT NULL,
    id text NOT NULL,
    version integer, -- NULL: known before Cyclone, imported as history
    revision text,
    instance_id text,
    sequence bigint, -- the instance's own numbering of its rows, from 1
    input jsonb NOT NULL,
    prediction jsonb,
    latency_ms real,
    created_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model, id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX ON prediction_log (model, created_at);
CREATE INDEX ON prediction_log (model, stored_at);
CREATE INDEX ON prediction_log (instance_id, sequence);

CREATE TABLE label (
    model text NOT NULL,
    id text NOT NULL,
    label jsonb NOT NULL,
    observed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model, id, observed_at, label)
) PARTITION BY RANGE (observed_at);
CREATE INDEX ON label (model, observed_at);
CREATE INDEX ON label (model, received_at);

-- Creates the monthly partitions that hold `at`, once; cheap when they are there.
CREATE FUNCTION ensure_partition(parent text, at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    month timestamptz := date_trunc('month', at, 'UTC');
    partition text := parent || '_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM');
BEGIN
    IF to_regclass(partition) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('cyclone partition ' || parent));
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            partition, parent, month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'
        );
    END IF;
END $$;

-- What an instance counted between two flushes, by minute of event time. Deltas; a flush repeated is a no-op.
CREATE TABLE request_stat (
    instance_id text NOT NULL,
    flush_number bigint NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    revision text NOT NULL,
    bucket_start timestamptz NOT NULL,
    requests bigint NOT NULL,
    rejected bigint NOT NULL, -- answered 4xx
    failures bigint NOT NULL, -- answered 5xx
    latency_ms_sum double precision NOT NULL,
    latency_counts bigint[] NOT NULL, -- bounds: latency_bound
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (instance_id, flush_number, bucket_start)
);
CREATE INDEX ON request_stat (model, bucket_start);
CREATE INDEX ON request_stat (model, stored_at);

-- Upper bounds of the latency histogram, milliseconds; the last bin is open.
CREATE TABLE latency_bound (bin integer PRIMARY KEY, upper_ms double precision NOT NULL);
INSERT INTO latency_bound (bin, upper_ms)
VALUES (1, 1), (2, 2), (3, 5), (4, 10), (5, 20), (6, 50), (7, 100), (8, 200), (9, 500), (10, 1000), (11, 2000),
(12, 5000), (13, 'infinity');

-- The loss ledger: how many rows an instance answered, and what became of those that are not stored.
CREATE TABLE instance_ledger (
    instance_id text PRIMARY KEY,
    model text NOT NULL,
    version integer NOT NULL,
    revision text NOT NULL,
    started_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    handed_over bigint NOT NULL, -- the highest sequence number given so far
    dropped bigint NOT NULL,
    repeated bigint NOT NULL, -- rows whose id was stored before
    is_stopped boolean NOT NULL DEFAULT false
);

CREATE TABLE reference_profile (
    model text NOT NULL,
    version integer NOT NULL,
    mlflow_run_id text NOT NULL,
    metric text NOT NULL,
    accepted_error double precision NOT NULL,
    sample_size bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (model, version)
);

-- Bin -1: missing; -2: a category that the reference does not know. Numbers: lower <= x < upper, outer bins open.
CREATE TABLE reference_bin (
    model text NOT NULL,
    version integer NOT NULL,
    feature text NOT NULL, -- `prediction` is the prediction itself
    bin integer NOT NULL,
    lower_bound double precision,
    upper_bound double precision,
    category text,
    count bigint NOT NULL,
    is_calendar boolean NOT NULL,
    PRIMARY KEY (model, version, feature, bin)
);

CREATE TABLE feature_rollup (
    model text NOT NULL,
    version integer NOT NULL,
    feature text NOT NULL,
    bucket_start timestamptz NOT NULL,
    bin integer NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (model, version, bucket_start, feature, bin)
);

-- Errors by the hour in which the label was observed, of the newest label of each prediction.
CREATE TABLE error_rollup (
    model text NOT NULL,
    version integer NOT NULL,
    bucket_start timestamptz NOT NULL,
    count bigint NOT NULL,
    sum_label double precision,
    sum_prediction double precision,
    sum_absolute_error double precision,
    sum_squared_error double precision,
    sum_log_loss double precision,
    sum_squared_log_loss double precision,
    PRIMARY KEY (model, version, bucket_start)
);

CREATE TABLE rollup_watermark (
    model text PRIMARY KEY,
    stored_until timestamptz NOT NULL
);

CREATE TABLE check_result (
    result_id bigserial PRIMARY KEY,
    run_id text NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    check_name text NOT NULL,
    subject text NOT NULL,
    value double precision,
    standard_error double precision,
    sample_size bigint NOT NULL,
    limit_value double precision NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('passed', 'failed', 'no_data')),
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    evaluated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (model, run_id, kind, check_name, subject)
);
CREATE INDEX ON check_result (model, window_end);

CREATE TABLE incident (
    incident_id bigserial PRIMARY KEY,
    model text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    outcome text CHECK (outcome IN ('promoted', 'kept_champion', 'failed')),
    reason text NOT NULL
);
CREATE UNIQUE INDEX one_open_incident ON incident (model) WHERE closed_at IS NULL;

CREATE TABLE incident_alarm (
    incident_id bigint NOT NULL REFERENCES incident,
    source text NOT NULL, -- the monitor's run, a webhook, a person
    at timestamptz NOT NULL,
    detail jsonb NOT NULL,
    PRIMARY KEY (incident_id, source)
);

CREATE TABLE retraining (
    run_id text PRIMARY KEY, -- the Airflow run
    model text NOT NULL,
    incident_id bigint UNIQUE REFERENCES incident, -- one retraining answers an incident
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    version integer,
    outcome text CHECK (outcome IN ('promoted', 'kept_champion', 'failed')),
    reason text
);
CREATE INDEX ON retraining (model, started_at);

CREATE TABLE release (
    release_id bigserial PRIMARY KEY,
    model text NOT NULL,
    version integer NOT NULL,
    revision text NOT NULL,
    image text NOT NULL,
    image_digest text NOT NULL,
    run_id text NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('candidate', 'canary', 'champion', 'retired', 'rolled_back')),
    traffic_percent integer NOT NULL CHECK (traffic_percent BETWEEN 0 AND 100),
    created_at timestamptz NOT NULL,
    promoted_at timestamptz,
    ended_at timestamptz,
    reason text
);
CREATE INDEX ON release (model, promoted_at);

CREATE TABLE release_step (
    release_id bigint NOT NULL REFERENCES release,
    step_number integer NOT NULL,
    traffic_percent integer NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('passed', 'failed', 'no_data')),
    detail jsonb NOT NULL,
    started_at timestamptz NOT NULL, -- wall time, as the requests of a canary are
    ended_at timestamptz, -- NULL: the step that is being judged
    PRIMARY KEY (release_id, step_number)
);

-- The one row that says what serves; moved by compare-and-swap on generation.
CREATE TABLE release_record (
    model text PRIMARY KEY,
    release_id bigint NOT NULL REFERENCES release,
    generation bigint NOT NULL
);
