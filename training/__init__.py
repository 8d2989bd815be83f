"""Retraining a model in plain functions. Each can run twice, and none needs Airflow."""
