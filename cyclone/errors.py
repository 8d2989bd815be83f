"""Every error that Cyclone raises on purpose. The message names the thing, its value and what is allowed."""

from typing import Literal

StatementFault = Literal["value", "parameter", "stopped", "statement"]
"""A value of the wrong type or range, a parameter that is not given, a time limit, or the SQL itself."""


class CycloneError(Exception):
    """Something that the user can mend; the message says how, and no traceback is shown."""


class ConfigurationError(CycloneError):
    """A setting, a `model.yaml` or a model's folder is not usable; nothing was changed."""


class StoreError(CycloneError):
    """The evaluation store does not answer, or its schema is not the one this code needs."""


class StatementError(CycloneError):
    """Postgres refused a statement. `cause` tells a value that does not fit from all else."""

    def __init__(self, message: str, cause: StatementFault) -> None:
        super().__init__(message)
        self.cause = cause


class CheckError(CycloneError):
    """A check's SQL does not keep its contract: `subject, value, sample_size[, standard_error]`."""


class DataError(CycloneError):
    """Rows cannot be used: too few, invalid, or missing their labels."""


class HoldError(CycloneError):
    """The policy holds a retraining that a person asked for, or there is nothing to resume; nothing was changed."""


class LineageError(CycloneError):
    """There is no such prediction, version or incident to explain, or it cannot be made again as it was."""


class TrackingError(CycloneError):
    """MLflow does not answer; the message says at which address."""


class ReleaseError(CycloneError):
    """A revision could not be deployed, judged, promoted or rolled back; traffic is as the message says."""


class RehearsalError(ReleaseError):
    """A candidate answered logged requests wrongly, late or not at all; it has had no traffic."""


class StaleReleaseError(ReleaseError):
    """A newer release holds the model's record; this one must not overwrite it."""


class PlatformError(CycloneError):
    """A part of the local platform did not start, or is already running."""
