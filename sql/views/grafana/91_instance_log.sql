-- What became of the rows of each serving instance, with where those are that are not in the log: waiting with an
-- instance that runs, or lost with one that has ended. lag_seconds: since it was last heard of.
CREATE OR REPLACE VIEW instance_log AS
SELECT
    model,
    version,
    revision,
    instance_id,
    handed_over AS answered,
    stored,
    repeated,
    conflicting,
    dropped,
    set_aside,
    CASE WHEN is_stopped THEN 0 ELSE unaccounted END AS waiting,
    CASE WHEN is_stopped THEN unaccounted ELSE 0 END AS lost,
    (stored + repeated) / nullif(handed_over, 0)::double precision AS completeness,
    is_stopped,
    last_seen_at,
    CASE WHEN NOT is_stopped THEN extract(EPOCH FROM clock_timestamp() - last_seen_at)::double precision END
        AS lag_seconds,
    revision_page(page_link.cloud_run, model) AS revision_url
FROM log_completeness
CROSS JOIN page_link
