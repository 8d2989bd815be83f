-- The addresses of Airflow and MLflow that `cyclone grafana connect` has kept.
-- params: none
-- returns: airflow, mlflow text, each NULL where it is not known. One row.
SELECT
    airflow,
    mlflow
FROM page_link
