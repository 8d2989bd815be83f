"""A calibration: the small correction that a version's predictions are answered with."""

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from cyclone.calibration.log_odds import from_log_odds, to_log_odds
from cyclone.errors import ConfigurationError
from cyclone.sections import CalibrationMethod
from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Calibration:
    """`ratio` and `bias`: one number; `prior_shift`: one a class, in log odds; `temperature`: its inverse."""

    method: CalibrationMethod
    values: tuple[float, ...]

    def apply(self, predictions: "Array") -> "Array":
        """Raw predictions as they are answered: numbers, P(true), or one column a class."""
        if self.method == "ratio":
            return predictions * self.values[0]
        if self.method == "bias":
            return predictions + self.values[0]
        return from_log_odds(self._move(to_log_odds(predictions)), predictions.ndim)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Errors: `ConfigurationError` quoting what is no calibration."""
        try:
            content = json.loads(text)
            values = tuple(float(value) for value in content["values"])
            method = content["method"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"calibration {text!r}: method and values are needed: {error!r}") from error
        scales = method in ("ratio", "temperature")
        is_sound = values and all(math.isfinite(value) and (value > 0 or not scales) for value in values)
        if method not in ("ratio", "bias", "prior_shift", "temperature") or not is_sound:
            raise ConfigurationError(
                f"calibration {text!r}: method is ratio, bias, prior_shift or temperature, and values are finite,"
                " above 0 for ratio and temperature"
            )
        return cls(method, values)

    def check(self, spec: ModelSpec) -> Self:
        """This calibration. Errors: `ConfigurationError` when it is none for the model's task and classes."""
        is_for_numbers = self.method in ("ratio", "bias")
        counts = {"regression": 1, "binary": 2, "multiclass": len(spec.label.values or ())}
        wanted = counts[spec.task] if self.method == "prior_shift" else 1
        if is_for_numbers != (spec.task == "regression") or len(self.values) != wanted:
            raise ConfigurationError(f"calibration {self.to_json()} is none for {spec.name}, a {spec.task} model")
        return self

    def _move(self, log_odds: "Array") -> "Array":
        import numpy as np

        if self.method == "temperature":
            return log_odds * self.values[0]
        return np.asarray(log_odds + np.array(self.values))
