"""The BentoML service of a model, and the prediction log that keeps what it answered."""
