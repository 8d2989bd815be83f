"""The section `recalibrate` of a `model.yaml`: how predictions are corrected between retrainings."""

from typing import Literal, Self

from pydantic import Field, model_validator

from cyclone.sections.base import Section

CalibrationMethod = Literal["ratio", "bias", "prior_shift", "temperature", "shift_and_slope"]


class Recalibrate(Section):
    """How calibrations are fitted on a version's newest labels. `auto` takes the usual method of the task."""

    enabled: bool = True
    method: Literal["auto", "ratio", "bias", "prior_shift", "temperature", "shift_and_slope"] = "auto"
    memory_days: int = Field(default=7, ge=2, le=366)
    """The most labelled days that a calibration is fitted on. More days are surer, and follow changes later."""
    minimum_days: int = Field(default=2, ge=2)
    """The fewest labelled days that a calibration is fitted on."""
    every_days: int = Field(default=1, ge=1, le=366)
    """The days between two searches for a calibration. Each calibration that is found is a revision of its own."""
    shrinkage_days: float = Field(default=1, ge=0, le=100)
    """How strongly a calibration is shrunk towards no correction.

    It is shrunk as if so many more average days had been predicted without any error.
    """

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.minimum_days > self.memory_days:
            raise ValueError(f"minimum_days {self.minimum_days} is above memory_days {self.memory_days}")
        return self
