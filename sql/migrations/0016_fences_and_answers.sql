-- How often the lock on a model's releases was taken. A lock goes with its connection, and whoever had it is not told.
-- What was begun under an older number writes nothing any more.
CREATE TABLE release_fence (
    model text PRIMARY KEY,
    number bigint NOT NULL
);

-- When an incident was closed, by Postgres' clock; `closed_at` is event time. NULL while open, and in earlier ones.
ALTER TABLE incident ADD COLUMN answered_at timestamptz;
