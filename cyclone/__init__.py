"""The core of Cyclone: the model spec, the evaluation store's client, and the decisions."""

from cyclone.telemetry import switch_off

switch_off()
