"""The part of Cyclone that runs in Airflow: tasks, triggers, and the sensor and operator for DAGs of your own."""
