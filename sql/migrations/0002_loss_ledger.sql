-- The loss ledger by window, and the rows that Postgres refused.

-- How far an instance's rows are accounted for: moves in the transaction that stores them, so that
-- sending the same rows again, by the instance or by its successor, counts nothing twice.
ALTER TABLE instance_ledger
ADD COLUMN accounted_through bigint NOT NULL DEFAULT 0, -- the highest sequence number that was dealt with
ADD COLUMN set_aside bigint NOT NULL DEFAULT 0,
ADD COLUMN torn_bytes bigint NOT NULL DEFAULT 0; -- unreadable in the spool of a killed instance
COMMENT ON COLUMN instance_ledger.handed_over IS 'rows answered so far: numbered or dropped';

-- What became of an instance's rows, by the hour of their own event time. No clocks are compared.
CREATE TABLE log_window (
    instance_id text NOT NULL,
    window_start timestamptz NOT NULL, -- 1970: dropped rows whose hour was not kept
    stored bigint NOT NULL,
    repeated bigint NOT NULL,
    set_aside bigint NOT NULL,
    dropped bigint NOT NULL,
    pending bigint NOT NULL, -- in the instance's spool when it last told
    PRIMARY KEY (instance_id, window_start)
);
CREATE INDEX ON log_window (window_start);

INSERT INTO log_window (instance_id, window_start, stored, repeated, set_aside, dropped, pending)
SELECT
    instance_id,
    date_trunc('hour', created_at, 'UTC') AS window_start,
    count(*) AS stored,
    0 AS repeated,
    0 AS set_aside,
    0 AS dropped,
    0 AS pending
FROM prediction_log
WHERE instance_id IS NOT NULL
GROUP BY instance_id, date_trunc('hour', created_at, 'UTC');

-- Answered rows that Postgres refused, as their instance wrote them.
CREATE TABLE set_aside_row (
    instance_id text NOT NULL,
    sequence bigint NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    revision text NOT NULL,
    row_text text NOT NULL, -- JSON that may hold what jsonb cannot
    reason text NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (instance_id, sequence)
);
CREATE INDEX ON set_aside_row (model, set_aside_at);

DROP VIEW IF EXISTS log_completeness; -- made again, with more columns
