-- The question to a person whether a candidate may go on, one for each release, and its answer.
-- The first answer counts.

CREATE TABLE approval (
    release_id bigint PRIMARY KEY REFERENCES release,
    traffic_percent integer NOT NULL CHECK (traffic_percent BETWEEN 1 AND 100), -- the share that waits
    at timestamptz NOT NULL, -- event time
    deadline timestamptz NOT NULL, -- by Postgres' clock
    words text NOT NULL, -- what a person is told, with the numbers of that moment
    answer text CHECK (answer IN ('approved', 'refused', 'expired')), -- NULL: it waits
    answered_by text, -- NULL: nobody did until the deadline
    because text,
    answered_at timestamptz, -- event time
    CHECK ((answer IS NULL) = (answered_at IS NULL)),
    CHECK ((answer IN ('approved', 'refused')) = (answered_by IS NOT NULL))
);

-- Another kind of message: a candidate waits for a person.
ALTER TABLE message
DROP CONSTRAINT message_kind_check,
ADD CONSTRAINT message_kind_check CHECK (
    kind IN ('incident', 'hold', 'retraining', 'promotion', 'roll_back', 'log_loss', 'approval')
);
