"""What Cyclone adds to Airflow: the tasks of its two DAGs and the trigger that leads a canary."""
