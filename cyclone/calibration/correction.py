"""A calibration: a small correction that is applied to a version's predictions before they are answered."""

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self, get_args

from cyclone.calibration.log_odds import from_log_odds, to_log_odds
from cyclone.errors import ConfigurationError
from cyclone.sections import CalibrationMethod
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Calibration:
    """A small correction of a version's predictions.

    `values` of `ratio` is one factor. `values` of `bias` is one number to add, in the label's unit. `prior_shift` has
    one number a class to add to the log odds. `temperature` has the inverse temperature. `shift_and_slope` has a shift
    of each class, and then the slope, by which log odds are multiplied before.
    """

    method: CalibrationMethod
    values: tuple[float, ...]

    def apply(self, predictions: "Array") -> "Array":
        """Corrected predictions, from raw ones.

        Predictions are numbers for `regression`, P(true) for `binary`, and one column a class for `multiclass`.
        """
        if self.method == "ratio":
            return predictions * self.values[0]
        if self.method == "bias":
            return predictions + self.values[0]
        return from_log_odds(self._move(to_log_odds(predictions)), predictions.ndim)

    def to_json(self) -> str:
        """The calibration as JSON text. `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A calibration from JSON text. Errors: `ConfigurationError` quoting a text that is no calibration."""
        try:
            content = json.loads(text)
            values = tuple(float(value) for value in content["values"])
            method = content["method"]
        except (ValueError, KeyError, TypeError) as error:
            needed = "an object with method and values is needed"
            raise ConfigurationError(f"calibration {text!r}: {needed} ({error!r})") from error
        # A factor of 0 or below would erase or invert every prediction.
        scales = {"ratio": values, "temperature": values, "shift_and_slope": values[-1:]}.get(method, ())
        is_sound = values and all(map(math.isfinite, values)) and all(value > 0 for value in scales)
        if method not in get_args(CalibrationMethod) or not is_sound:
            raise ConfigurationError(
                f"calibration {text!r}: method must be one of {', '.join(get_args(CalibrationMethod))}. Values must be"
                " finite, and those of ratio and temperature and the slope above 0"
            )
        return cls(method, values)

    def check(self, spec: ModelSpec) -> Self:
        """This calibration. Errors: `ConfigurationError` if it does not fit the model's task and classes."""
        is_for_numbers = self.method in ("ratio", "bias")
        classes = {"regression": 1, "binary": 2, "multiclass": len(spec.label.values or ())}[spec.task]
        wanted = {"prior_shift": classes, "shift_and_slope": classes + 1}.get(self.method, 1)
        if is_for_numbers != (spec.task == "regression") or len(self.values) != wanted:
            raise ConfigurationError(f"calibration {self.to_json()} does not fit {spec.name}, a {spec.task} model")
        return self

    def _move(self, log_odds: "Array") -> "Array":
        import numpy as np

        if self.method == "temperature":
            return log_odds * self.values[0]
        if self.method == "shift_and_slope":
            return np.asarray(log_odds * self.values[-1] + np.array(self.values[:-1]))
        return np.asarray(log_odds + np.array(self.values))
