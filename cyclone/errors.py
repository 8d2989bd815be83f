"""The errors that Cyclone raises on purpose.

A message names the thing, its value, what is allowed and what to do next.
"""

from typing import Literal

StatementFault = Literal["value", "parameter", "partition", "stopped", "statement"]
"""What was wrong with a statement.

`value` is a value of the wrong type or range. `parameter` is one that was not given. `partition` is a row for which no
partition of its table is there. `stopped` is a limit of time, or a
person who stopped it. `statement` is the SQL itself.
"""


class CycloneError(Exception):
    """An error that the user can mend. The message says how. Commands show it without a traceback."""


class ConfigurationError(CycloneError):
    """A setting, a `model.yaml` or a model's folder is not usable. Nothing was changed."""


class StoreError(CycloneError):
    """The evaluation store does not answer, or its schema is not the one this code needs."""


class StatementError(CycloneError):
    """Postgres refused a statement. `cause` says what was wrong with it."""

    def __init__(self, message: str, cause: StatementFault) -> None:
        super().__init__(message)
        self.cause = cause


class CheckError(CycloneError):
    """A check's SQL does not run, or returns other columns than `subject, value, sample_size[, standard_error]`."""


class DataError(CycloneError):
    """Rows cannot be used: too few, invalid, or missing their labels."""


class HoldError(CycloneError):
    """The policy holds a retraining that a person asked for, or there is nothing to resume. Nothing was changed."""


class AlertError(CycloneError):
    """The body of a webhook is not what Grafana or Alertmanager sends. Nothing was recorded."""


class LineageError(CycloneError):
    """There is no such prediction, version or incident to explain, or it cannot be made again as it was."""


class TrackingError(CycloneError):
    """MLflow does not answer, or does not hold what the store says it holds. The message has its address."""


class ReleaseError(CycloneError):
    """A revision could not be deployed, judged, promoted or rolled back. The message tells where the traffic is."""


class RehearsalError(ReleaseError):
    """A candidate answered logged requests wrongly, late or not at all. It has had no traffic."""


class StaleReleaseError(ReleaseError):
    """A newer release holds the model's record. This one must not overwrite it."""


class LostLockError(ReleaseError):
    """The lock on a model's releases went with its connection. Nothing was changed after that. Try again."""


class PlatformError(CycloneError):
    """A part of the local platform did not start, or is already running."""


class MessageError(CycloneError):
    """A message that a service for people did not take."""


class HandoverError(CycloneError):
    """Files that one task could not hand to the next. Another try may succeed."""
