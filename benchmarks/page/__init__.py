"""What the page in Airflow costs."""
