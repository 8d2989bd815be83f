-- What truly serves: compared with the release record by each run of the monitor, and judged whichever version it is.

-- One run judges every version that has traffic.
ALTER TABLE check_result
DROP CONSTRAINT check_result_model_run_id_kind_check_name_subject_window_en_key,
ADD CONSTRAINT check_result_once UNIQUE (model, run_id, kind, check_name, subject, window_end, version);

-- What traffic, tags and aliases were beside the release record.
CREATE TABLE release_comparison (
    comparison_id bigserial PRIMARY KEY,
    model text NOT NULL,
    run_id text NOT NULL, -- the monitor's run
    at timestamptz NOT NULL, -- event time
    differences jsonb NOT NULL, -- a list of where, found and wanted, which is empty when all agree
    is_mended boolean NOT NULL,
    UNIQUE (model, run_id)
);
CREATE INDEX ON release_comparison (model, at);

-- Another cause of a hold: what serves is not what the release record says.
ALTER TABLE decision
DROP CONSTRAINT decision_cause_check,
ADD CONSTRAINT decision_cause_check CHECK (cause IN ('upstream', 'release', 'pause', 'failures', 'budget'));
ALTER TABLE hold
DROP CONSTRAINT hold_cause_check,
ADD CONSTRAINT hold_cause_check CHECK (cause IN ('upstream', 'release', 'pause', 'failures', 'budget'));

-- A person's word that a model serves no more.
CREATE TABLE retirement (
    retirement_id bigserial PRIMARY KEY,
    model text NOT NULL,
    at timestamptz NOT NULL, -- event time
    version integer, -- that served, NULL when none did
    asked_by text NOT NULL,
    because text NOT NULL,
    ended_runs text[] NOT NULL -- retrainings under way, which can release nothing any more
);
CREATE INDEX ON retirement (model, at);
