-- The pages that a dashboard links on to, one row: the addresses of Airflow, MLflow and Cloud Run, NULL where unknown.
CREATE OR REPLACE VIEW page_link AS
SELECT
    max(address) FILTER (WHERE name = 'airflow') AS airflow,
    max(address) FILTER (WHERE name = 'mlflow') AS mlflow,
    max(address) FILTER (WHERE name = 'cloud_run') AS cloud_run
FROM page_address
