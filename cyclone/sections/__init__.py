"""The sections of a `model.yaml`, with their keys, defaults and allowed values. Each module here defines one section.

Errors: pydantic's `ValidationError`. `cyclone.spec` turns it into a `ConfigurationError` that names the file.
"""

from cyclone.sections.base import FromList, Name, Section
from cyclone.sections.columns import Column, Feature, FeatureType, Label
from cyclone.sections.monitoring import CheckKind, CheckRules, Monitor
from cyclone.sections.recalibration import CalibrationMethod, Recalibrate
from cyclone.sections.release import ReleaseRules
from cyclone.sections.retraining import Breaker, ErrorTrigger, Retrain, Trigger, Window
from cyclone.sections.serving import MEMORY_UNITS, Serving
from cyclone.sections.webhook import AlertAction, Webhook

__all__ = [
    "MEMORY_UNITS",
    "AlertAction",
    "Breaker",
    "CalibrationMethod",
    "CheckKind",
    "CheckRules",
    "Column",
    "ErrorTrigger",
    "Feature",
    "FeatureType",
    "FromList",
    "Label",
    "Monitor",
    "Name",
    "Recalibrate",
    "ReleaseRules",
    "Retrain",
    "Section",
    "Serving",
    "Trigger",
    "Webhook",
    "Window",
]
