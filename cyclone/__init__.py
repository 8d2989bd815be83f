"""The core of Cyclone: the model spec, the evaluation store's client, and the decisions."""
