"""Worlds in which a canary is judged: what the two sides answer, moment by moment, and what depends on what in it.

In the independent world each request is drawn for itself. In the others rows of a request, seconds of an instance,
minutes of everybody, or all that waited for the store are alike.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cyclone.checks.verdicts import Measurement
from releasing.canary_measures import Moment, SideBySide, add_up

FAILURE_SHARE = 0.01
LATENCY_MS, LATENCY_SIGMA = 20.0, 0.5
"""The median and the width of a lognormal latency: most requests are near the median, some are several times slower."""
MEAN_ERROR, ERROR_SHAPE = 10.0, 1.0
"""The mean and the shape of a gamma distribution of absolute errors. Shape 1 makes it exponential."""
INSTANCES = (1, 4)
"""The instances of candidate and champion. The candidate's only one decides its latency."""
BINS = 20
"""The bins of predictions. They are equally likely for both sides."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SimulatedCandidate:
    """How much worse than the champion: the failures added, and the factors of latency and error."""

    title: str
    is_good: bool
    more_failures: float = 0.0
    slower: float = 1.0
    worse: float = 1.0


CANDIDATES = (
    SimulatedCandidate("equal", True),
    SimulatedCandidate("5 % more failures", False, more_failures=0.05),
    SimulatedCandidate("doubled latency", False, slower=2.0),
    SimulatedCandidate("30 % higher error", False, worse=1.3),
)


@dataclass(frozen=True)
class Spells:
    """Times in which an instance is not itself: how often they come, how long they last, and what they do."""

    every_seconds: float
    seconds: int
    slower: float = 1.0
    failing: float = 0.0


@dataclass(frozen=True)
class CanaryWorld:
    """The traffic of a canary.

    `spells` befall each instance for itself. `wandering` is the deviation of the logarithm of an instance's latency,
    and `common` that of the latency and the error of everybody. Both forget in `memory_seconds`. From second
    `outage_at` on nothing is stored for `outage_seconds`, and then all at once. The label of a row with the mean error
    comes after `label_seconds` in the mean. That of a row with twice the error comes in half the time, as a fraud is
    known before its absence.
    """

    title: str
    requests_a_second: float = 100.0
    rows_per_request: int = 1
    spells: Spells | None = None
    wandering: float = 0.0
    common: float = 0.0
    memory_seconds: float = 60.0
    outage_at: int = 0
    outage_seconds: int = 0
    label_seconds: float = 0.0


INDEPENDENT = CanaryWorld("independent requests")
DEPENDENT = (
    CanaryWorld("200 alike rows a request", requests_a_second=5.0, rows_per_request=200),
    CanaryWorld("an instance 5 times slower for 20 s", spells=Spells(900.0, 20, slower=5.0)),
    CanaryWorld("an instance 3 times slower for a minute", spells=Spells(1800.0, 60, slower=3.0)),
    CanaryWorld("an instance fails half for 10 s", spells=Spells(600.0, 10, failing=0.5)),
    CanaryWorld("latency of an instance wanders", wandering=0.2),
    CanaryWorld("minutes of everybody alike", common=0.5),
    CanaryWorld("hours of everybody alike", common=0.5, memory_seconds=7200.0),
    CanaryWorld("the store away for five minutes", outage_at=30, outage_seconds=300),
    CanaryWorld("labels come late, of large errors first", label_seconds=300.0),
)


@dataclass(frozen=True)
class Errors:
    """The errors of one side in one moment, with the second at which each label comes. Each error is that of `rows`."""

    errors: Array
    labelled_at: Array
    rows: int

    def add_up(self, second: int) -> tuple[float, int]:
        """The sum and the number of errors that are known at a second."""
        known = self.errors[self.labelled_at <= second]
        return float(known.sum()) * self.rows, len(known) * self.rows


class Traffic:
    """The seconds of one trial: levels of both sides, from which moments are drawn."""

    def __init__(
        self, world: CanaryWorld, candidate: SimulatedCandidate, generator: np.random.Generator, seconds: int
    ) -> None:
        self._world, self._candidate, self._draw = world, candidate, generator
        common = self._wander(world.common, seconds)
        self._error = np.exp(common)
        levels = [[self._draw_instance(seconds) for _ in range(count)] for count in INSTANCES]
        self._slower = [np.mean([slower for slower, _ in side], axis=0) * np.exp(common) for side in levels]
        self._failing = [np.mean([failing for _, failing in side], axis=0) for side in levels]

    def draw(self, second: int, seconds: int, percent: float) -> "Drawn":
        """What both sides tell in one moment, by check."""
        requests = int(self._draw.poisson(self._world.requests_a_second * seconds))
        share = int(self._draw.binomial(requests, percent / 100))
        span = slice(second, second + seconds)
        sides = [self._answer(number, count, span) for number, count in enumerate((share, requests - share))]
        return {name: (sides[0][name], sides[1][name]) for name in sides[0]}

    def is_store_away(self, second: int) -> bool:
        return 0 <= second - self._world.outage_at < self._world.outage_seconds

    def _answer(self, side: int, requests: int, span: slice) -> dict[str, Any]:
        is_candidate, rows = side == 0, self._world.rows_per_request
        slower = float(self._slower[side][span].mean()) * (self._candidate.slower if is_candidate else 1.0)
        failing = FAILURE_SHARE + float(self._failing[side][span].mean())
        failing += self._candidate.more_failures if is_candidate else 0.0
        worse = float(self._error[span].mean()) * (self._candidate.worse if is_candidate else 1.0)
        latency = self._draw.lognormal(math.log(LATENCY_MS), LATENCY_SIGMA, requests).sum() * slower
        error = self._draw.gamma(ERROR_SHAPE, MEAN_ERROR / ERROR_SHAPE, requests)
        return {
            "failure_share": (float(self._draw.binomial(requests, min(failing, 1.0))), requests),
            "latency_mean_ms": (float(latency), requests),
            "error": Errors(error * worse, self._draw_label_seconds(error, span), rows),
            "prediction_shift": (self._draw.multinomial(requests, np.full(BINS, 1 / BINS)), requests),
        }

    def _draw_label_seconds(self, errors: Array, span: slice) -> Array:
        if not self._world.label_seconds:
            return np.zeros(len(errors))
        means = self._world.label_seconds * MEAN_ERROR / np.maximum(errors, 1e-9)
        labelled_at: Array = span.stop + self._draw.exponential(means)
        return labelled_at

    def _draw_instance(self, seconds: int) -> tuple[Array, Array]:
        """How much slower one instance is in each second, and which share it fails."""
        slower, failing = np.exp(self._wander(self._world.wandering, seconds)), np.zeros(seconds)
        spells = self._world.spells
        if spells:
            for start in np.flatnonzero(self._draw.random(seconds) < 1 / spells.every_seconds):
                slower[start : start + spells.seconds] = spells.slower
                failing[start : start + spells.seconds] = spells.failing
        return slower, failing

    def _wander(self, deviation: float, seconds: int) -> Array:
        """An autoregressive course of a level around 0, one value a second."""
        from scipy.signal import lfilter  # type: ignore[import-untyped, unused-ignore]

        if not deviation:
            return np.zeros(seconds)
        kept = math.exp(-1 / self._world.memory_seconds)
        pushes = self._draw.normal(0.0, deviation * math.sqrt(1 - kept**2), seconds)
        pushes[0] = self._draw.normal(0.0, deviation)
        course: Array = lfilter([1.0], [1.0, -kept], pushes)
        return course


Drawn = dict[str, tuple[Any, Any]]
"""What candidate and champion tell in one moment, by check: `Errors`, or a sum and the number of its samples.

Of predictions the sum is one count a bin.
"""


class Told:
    """What both sides have told in one step so far, as `sql/checks/canary/*.sql` would measure it."""

    def __init__(self) -> None:
        self._moments: list[Drawn] = []

    def add(self, drawn: list[Drawn]) -> None:
        """Add what came in one moment: the answers of one moment, or of all that waited for the store."""
        self._moments.append(
            {name: tuple(_merge([one[name][side] for one in drawn]) for side in (0, 1)) for name in drawn[0]}
        )

    def compare(self, second: int) -> dict[str, SideBySide]:
        """Both sides by check, with the labels that are known at a second. No instance vanishes, and no row is lost."""
        sums = {name: [moment[name] for moment in self._moments] for name in ("failure_share", "latency_mean_ms")}
        sums["error"] = [tuple(side.add_up(second) for side in moment["error"]) for moment in self._moments]
        found = {
            name: add_up([Moment(*ours, *theirs) for ours, theirs in sides if ours[1] + theirs[1]])
            for name, sides in sums.items()
        }
        still = SideBySide(Measurement("candidate", 0.0, None, 1), Measurement("champion", 0.0, None, 1))
        return {**found, "prediction_shift": self._shift(), "vanished_instances": still, "lost_share": still}

    def _shift(self) -> SideBySide:
        """The distance between the binned predictions. All requests are of one size, so each counts."""
        counts = [sum(moment["prediction_shift"][side][0] for moment in self._moments) for side in (0, 1)]
        sizes = [sum(moment["prediction_shift"][side][1] for moment in self._moments) for side in (0, 1)]
        distance = None
        if min(sizes):
            reached = [np.cumsum(count) / size for count, size in zip(counts, sizes, strict=True)]
            distance = float(np.abs(reached[0] - reached[1]).max())
        return SideBySide(
            Measurement("candidate", distance, None, sizes[0]), Measurement("champion", 0.0, None, sizes[1])
        )


def _merge(parts: list[Any]) -> Any:
    if isinstance(parts[0], Errors):
        errors, labelled_at = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("errors", "labelled_at")
        )
        return Errors(errors, labelled_at, parts[0].rows)
    return tuple(sum(column) for column in zip(*parts, strict=True))
