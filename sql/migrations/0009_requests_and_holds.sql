-- Who asked for a retraining, what the policy answered, and what a person has to look at.

ALTER TABLE decision
ADD COLUMN cause text CHECK (cause IN ('upstream', 'pause', 'budget')), -- of a hold
ADD COLUMN asked_by text, -- NULL: the monitor, for itself
ADD COLUMN because text,
ADD COLUMN despite text[]; -- the causes that a person chose to ignore

-- A person is told once for each hold, however often the monitor meets its cause.
CREATE TABLE hold (
    hold_id bigserial PRIMARY KEY,
    model text NOT NULL,
    cause text NOT NULL CHECK (cause IN ('upstream', 'pause', 'budget')),
    opened_at timestamptz NOT NULL, -- event time
    reason text NOT NULL,
    run_id text NOT NULL, -- the decision that opened it
    told_at timestamptz, -- wall time; NULL: not yet
    closed_at timestamptz,
    closed_by text, -- NULL while open, and when its cause went away by itself
    because text
);
CREATE UNIQUE INDEX one_open_hold ON hold (model, cause) WHERE closed_at IS NULL;

ALTER TABLE calibration ADD COLUMN asked_by text; -- the person who withdrew what served; NULL: it was fitted
