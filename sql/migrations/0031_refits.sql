-- How a refit would have served, beside the version that did: what the policy knows of the gain of a retraining.

CREATE TABLE refit_score (
    model text NOT NULL,
    day timestamptz NOT NULL, -- of the rows, in event time
    version integer NOT NULL, -- that served
    window_days integer NOT NULL, -- that the refit was trained on. 0: all
    trained_at timestamptz NOT NULL, -- the refit knows what was known then
    known_at timestamptz NOT NULL, -- from here on the score is known, in event time
    row_count bigint NOT NULL, -- labelled rows that the version answered
    error double precision, -- of the version, as it answered. NULL: without rows
    refit_error double precision, -- as it would have been corrected. NULL: too few rows to train on, or none to score
    seconds double precision NOT NULL, -- that the refits took, all windows together
    PRIMARY KEY (model, day, window_days)
);
CREATE INDEX ON refit_score (model, known_at);
