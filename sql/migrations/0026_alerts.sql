-- What alerts of Grafana and Alertmanager have asked for, and what was answered.

CREATE TABLE alert (
    alert_id bigserial PRIMARY KEY, -- with gaps: a repeated alert uses up a number
    model text NOT NULL,
    action text NOT NULL CHECK (action IN ('retrain', 'recalibrate', 'roll_back', 'note')),
    fingerprint text NOT NULL, -- of the alert's labels, as its sender made it
    started_at timestamptz NOT NULL, -- by the sender's clock
    name text NOT NULL,
    sender text NOT NULL, -- the address of the Grafana or the Alertmanager, or ''
    summary text NOT NULL,
    link text NOT NULL,
    at timestamptz NOT NULL, -- event time
    received_at timestamptz NOT NULL, -- when it began to wait for its answer, by Postgres' clock
    times integer NOT NULL DEFAULT 1,
    answer text CHECK (answer IN ('retrain', 'wait', 'hold', 'done', 'failed', 'noted')), -- NULL: it waits
    reason text,
    answered_at timestamptz, -- by Postgres' clock
    UNIQUE (model, action, fingerprint, started_at)
);
CREATE INDEX ON alert (model, at);
CREATE INDEX waiting_alert ON alert (model) WHERE answer IS NULL;
