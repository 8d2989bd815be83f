-- Where pages are.
INSERT INTO page_address (name, address)
VALUES ('airflow', 'https://airflow.example'), ('mlflow', 'https://mlflow.example'),
('cloud_run', 'https://console.cloud.google.com/run/detail/europe-west1/{service}/revisions?project=p')
ON CONFLICT DO NOTHING
