"""Estimators for a `pipeline.py` that bring another kind of model into Cyclone. Each is what such a file returns."""
