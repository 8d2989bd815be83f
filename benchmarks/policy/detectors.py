"""Textbook detectors of drift as rules of retraining, beside which `make bench-policy` measures the policy.

They watch the error of each row of the version that serves, as its label comes. They are river's, with its defaults.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cyclone.losses import measure_losses
from training.backtest.walk import Reason, RetrainingRule, Walk

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class DetectorRule:
    """Asks for a retraining when a detector finds that the error has risen. Each version gets a new detector.

    Errors are divided by the version's mean error on the days that were held out for its gate, because the thresholds
    of a detector are in no unit of a model's own.
    """

    def __init__(self, name: str, build: Callable[[], Any]) -> None:
        self.name, self.build = name, build
        self.watched = 0

    def __call__(self, walk: Walk, day: int) -> Reason | None:
        if walk.champion.number != self.watched:
            self.watched, self.detector = walk.champion.number, self.build()
            self.scale = find_holdout_error(walk)
        rows = slice(walk.history.known_at(day - 1), walk.history.known_at(day))
        own = walk.run.losses[rows][walk.version_of[rows] == self.watched]
        has_risen = [self._sees_a_rise(float(loss) / self.scale) for loss in own]
        return Reason(self.name) if any(has_risen) else None

    def _sees_a_rise(self, loss: float) -> bool:
        before = getattr(self.detector, "estimation", 0.0)
        self.detector.update(loss)
        # ADWIN finds changes either way. By now it has dropped its old window, so this is the mean after the change.
        return bool(self.detector.drift_detected) and getattr(self.detector, "estimation", 1.0) > before


def find_holdout_error(walk: Walk) -> float:
    """The mean raw error of the version that serves, on the labelled days before its training that it has not seen."""
    day = walk.champion.day
    rows = slice(walk.matrix.find_answers(day, day).trained_until, walk.history.known_at(day))
    losses = measure_losses(walk.history.spec, walk.history.numbers[rows], walk.matrix.answer(day, rows))
    return float(losses.mean()) or 1.0


def build_detectors() -> dict[str, RetrainingRule]:
    """CUSUM, which river calls Page-Hinkley, and ADWIN, by name."""
    from river.drift import ADWIN, PageHinkley

    return {
        "CUSUM": DetectorRule("CUSUM", lambda: PageHinkley(mode="up")),
        "ADWIN": DetectorRule("ADWIN", ADWIN),
    }
