-- What Grafana reads beside the views: the rules of each model, the newest verdicts, and where the pages are.

-- What a model's own monitor last said of it. Alerts and dashboards know no model.yaml.
CREATE TABLE monitored_model (
    model text PRIMARY KEY,
    task text NOT NULL,
    metric text NOT NULL,
    label_delay interval NOT NULL,
    label_load interval NOT NULL,
    silent_days double precision NOT NULL, -- without any label, after which they have stopped
    error_limit double precision NOT NULL, -- a multiple of the accepted error
    error_window_days integer NOT NULL,
    error_minimum_days integer NOT NULL,
    error_minimum_rows integer NOT NULL,
    completeness_floor double precision NOT NULL,
    budget_per_week double precision NOT NULL,
    longest_gap interval NOT NULL, -- between two runs of its schedule
    monitored_at timestamptz NOT NULL -- wall time
);

-- Of every version, window, check and subject the newest row of check_result. A monitor judges the same window every
-- few minutes, so check_result has hundreds of rows for each of these.
CREATE TABLE newest_verdict (
    LIKE check_result INCLUDING DEFAULTS,
    PRIMARY KEY (model, version, kind, window_end, check_name, subject, window_start)
);
ALTER TABLE newest_verdict ALTER COLUMN result_id DROP DEFAULT;
ALTER TABLE newest_verdict ALTER COLUMN evaluated_at DROP DEFAULT;

INSERT INTO newest_verdict (
    result_id,
    run_id,
    model,
    version,
    kind,
    check_name,
    subject,
    value,
    standard_error,
    sample_size,
    limit_value,
    verdict,
    window_start,
    window_end,
    evaluated_at,
    p_value,
    reason
)
SELECT DISTINCT ON (model, kind, check_name, subject, window_end, window_start, version)
    result_id,
    run_id,
    model,
    version,
    kind,
    check_name,
    subject,
    value,
    standard_error,
    sample_size,
    limit_value,
    verdict,
    window_start,
    window_end,
    evaluated_at,
    p_value,
    reason
FROM check_result
ORDER BY
    model ASC,
    kind ASC,
    check_name ASC,
    subject ASC,
    window_end ASC,
    window_start ASC,
    version ASC,
    result_id DESC;

CREATE FUNCTION keep_newest_verdict() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO newest_verdict AS known VALUES (NEW.*)
    ON CONFLICT (model, version, kind, window_end, check_name, subject, window_start) DO UPDATE SET
        result_id = excluded.result_id,
        run_id = excluded.run_id,
        value = excluded.value,
        standard_error = excluded.standard_error,
        sample_size = excluded.sample_size,
        limit_value = excluded.limit_value,
        p_value = excluded.p_value,
        verdict = excluded.verdict,
        reason = excluded.reason,
        evaluated_at = excluded.evaluated_at
    WHERE known.result_id < excluded.result_id;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_newest_verdict AFTER INSERT ON check_result
FOR EACH ROW EXECUTE FUNCTION keep_newest_verdict();

-- One feature of a version over a long time, which is one panel.
CREATE INDEX ON feature_rollup (model, version, feature, bucket_start) INCLUDE (bin, count);

-- Where the pages are that a dashboard links on to: airflow, mlflow and cloud_run.
CREATE TABLE page_address (
    name text PRIMARY KEY,
    address text NOT NULL
);
