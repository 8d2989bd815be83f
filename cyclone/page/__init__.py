"""The page of Cyclone that Airflow shows: what it reads, its charts and its HTML. Nothing here knows Airflow."""
