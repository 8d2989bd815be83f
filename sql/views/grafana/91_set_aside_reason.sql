-- Why Postgres refused rows, and how many: the error's code, such as 22P05. Its words may quote a value of the row.
CREATE OR REPLACE VIEW set_aside_reason AS
SELECT
    model,
    revision,
    coalesce(substring(reason FROM '^([0-9A-Z]{5}):'), 'unknown') AS reason,
    count(*) AS rows,
    max(set_aside_at) AS newest_at
FROM set_aside_row
GROUP BY model, revision, coalesce(substring(reason FROM '^([0-9A-Z]{5}):'), 'unknown')
