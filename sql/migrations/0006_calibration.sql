-- What decisions about retraining rest on and lead to: decisions, datasets, gates, calibrations.

ALTER TABLE retraining ADD COLUMN cost double precision NOT NULL DEFAULT 1; -- in the unit of retrain.budget_per_week

CREATE TABLE decision (
    model text NOT NULL,
    run_id text NOT NULL, -- the monitor's run, or who asked
    at timestamptz NOT NULL,
    version integer, -- what served
    action text NOT NULL CHECK (action IN ('retrain', 'wait', 'hold')), -- hold: a person must look
    reason text NOT NULL,
    incident_id bigint REFERENCES incident,
    PRIMARY KEY (model, run_id)
);
CREATE INDEX ON decision (model, at);

CREATE TABLE dataset (
    run_id text PRIMARY KEY, -- the retraining
    model text NOT NULL,
    as_of timestamptz NOT NULL,
    since timestamptz NOT NULL, -- -infinity: all
    row_count bigint NOT NULL,
    first_created_at timestamptz NOT NULL,
    last_created_at timestamptz NOT NULL,
    query_sha256 text NOT NULL,
    fingerprint text NOT NULL
);
CREATE INDEX ON dataset (model, as_of);

CREATE TABLE gate_decision (
    run_id text PRIMARY KEY, -- the retraining
    model text NOT NULL,
    mlflow_run_id text NOT NULL,
    is_passed boolean NOT NULL,
    champion_version integer,
    champion_error double precision,
    challenger_error double precision NOT NULL,
    ratio_lower double precision, -- of the challenger's error to the champion's, 90 % interval
    ratio_upper double precision,
    margin double precision NOT NULL,
    row_count bigint NOT NULL,
    day_count integer NOT NULL,
    slices jsonb NOT NULL,
    reason text NOT NULL
);

-- A correction of a version's predictions. method NULL: none is needed any more.
CREATE TABLE calibration (
    calibration_id bigserial PRIMARY KEY,
    model text NOT NULL,
    version integer NOT NULL,
    run_id text NOT NULL, -- the run that fitted it
    method text CHECK (method IN ('ratio', 'bias', 'prior_shift', 'temperature')),
    parameters double precision[] NOT NULL,
    fitted_at timestamptz NOT NULL, -- event time
    row_count bigint NOT NULL,
    error_without double precision,
    error_with double precision,
    reason text NOT NULL,
    revision text UNIQUE, -- that answers with it; the log names the revision of each row. NULL: not released
    replaced text, -- the revision of the same version before it
    served_at timestamptz,
    withdrawn_at timestamptz,
    UNIQUE (model, run_id)
);
CREATE INDEX ON calibration (model, version, served_at);
