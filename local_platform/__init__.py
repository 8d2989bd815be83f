"""One machine: embedded Postgres, Airflow, MLflow, the Cloud Run stand-in and the replay of real traffic."""
