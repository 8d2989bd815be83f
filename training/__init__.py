"""Retraining and releasing a model: plain functions, each safe to run twice, callable without Airflow."""
