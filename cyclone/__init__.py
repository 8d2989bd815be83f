"""The core of Cyclone: the model spec, the client of the evaluation store, and the decisions."""

from cyclone.telemetry import switch_off

switch_off()
