"""The web part of Cyclone's page in Airflow: addresses, who may do what, and the doing."""
