"""Everything on one machine: Postgres, MLflow, Airflow, the stand-in for Cloud Run, and the demo."""
