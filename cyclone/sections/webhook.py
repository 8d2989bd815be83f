"""The section `webhook` of a `model.yaml`: what alerts of Grafana and Alertmanager may do."""

from typing import Annotated, Literal

from cyclone.sections.base import FromList, Section

AlertAction = Literal["retrain", "recalibrate", "roll_back", "note"]


class Webhook(Section):
    """What an alert may do that Grafana or Alertmanager sends."""

    actions: Annotated[tuple[AlertAction, ...], FromList] = ("retrain", "note")
    """The actions that alerts may ask for by their label `cyclone`. Any other is refused.

    By default an alert cannot change what serves without the gate and the canary of a retraining.
    """
