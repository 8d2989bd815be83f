-- Why Postgres refused rows, and how many, without what stood in them.
CREATE OR REPLACE VIEW set_aside_reason AS
SELECT
    model,
    revision,
    reason,
    count(*) AS rows,
    max(set_aside_at) AS newest_at
FROM set_aside_row
GROUP BY model, revision, reason
