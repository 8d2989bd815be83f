-- What people are told of: each event of a model once, and which routes have carried it.

CREATE TABLE message (
    message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('incident', 'hold', 'retraining', 'promotion', 'roll_back', 'log_loss')),
    subject text NOT NULL, -- which incident, hold, run, version or day
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    at timestamptz NOT NULL, -- event time
    words text NOT NULL,
    sent_by text[] NOT NULL DEFAULT '{}', -- the routes that have carried it
    attempts integer NOT NULL DEFAULT 0,
    failure text, -- what the newest attempt said
    is_over boolean NOT NULL DEFAULT false, -- carried, given up, or older than the first look
    noted_at timestamptz NOT NULL DEFAULT now(), -- wall time
    UNIQUE (model, kind, subject)
);

CREATE INDEX message_waiting ON message (model) WHERE NOT is_over;
