-- Which history file a model's rows were loaded from, so that a corrected file is told from the same one.
CREATE TABLE history_load (
    model text PRIMARY KEY,
    fingerprint text NOT NULL, -- sha256 of the file and of what model.yaml makes of it
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
