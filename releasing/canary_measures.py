"""What the canary checks measure: candidate and champion side by side, as a whole and moment by moment.

A moment is a short piece of a step. What is answered within one is alike: rows of one request, requests of one busy
second, answers of an instance that is slow for a while. So a moment counts as one sample, however much is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cyclone.checks.measurements import load_check, measure, select
from cyclone.checks.verdicts import Measurement
from cyclone.errors import CheckError
from cyclone.sections import ReleaseRules
from cyclone.store import Store

MOMENTS_PER_STEP = 3
"""How many moments the shortest step has. The sequential test can be sure of a pass from three on."""
SHORTEST_MOMENT_SECONDS = 1.0
"""Instances tell their counts twice a second, so a shorter moment would often be empty."""
BY_MOMENT = ("failure_share", "latency_mean_ms", "error")
"""The checks that return sums by moment: `subject`, `moment`, `total` and `size`."""
AS_A_WHOLE = ("vanished_instances", "prediction_shift", "lost_share")
"""The checks that return one value a side, like all other checks."""
COLUMNS = {"subject", "moment", "total", "size"}


@dataclass(frozen=True)
class Moment:
    """The sums and the numbers of samples of both sides in one moment."""

    candidate_total: float
    candidate_size: int
    champion_total: float
    champion_size: int


@dataclass(frozen=True)
class SideBySide:
    """One measure of the candidate and of the champion. `moments` is empty for measures that have none."""

    candidate: Measurement
    champion: Measurement
    moments: tuple[Moment, ...] = ()

    @property
    def sizes(self) -> tuple[int, int]:
        return self.candidate.sample_size, self.champion.sample_size


@dataclass(frozen=True)
class Window:
    """The wall time that a look judges. `begun` is when the canary began, `since` when its step did."""

    begun: datetime
    since: datetime
    until: datetime


def find_moment_seconds(release: ReleaseRules) -> float:
    """How long a moment is."""
    return max(SHORTEST_MOMENT_SECONDS, release.seconds_per_step / MOMENTS_PER_STEP)


def end_last_moment(since: datetime, until: datetime, seconds: float) -> datetime:
    """The end of the last whole moment. What came later is judged once its moment is over."""
    return since + timedelta(seconds=(until - since).total_seconds() // seconds * seconds)


def compare_sides(
    store: Store, release: ReleaseRules, model: str, candidate: str, champion: str, window: Window
) -> dict[str, SideBySide]:
    """What every canary check measures, by the name of the check. `candidate` and `champion` are revisions.

    Errors: `CheckError` when a check is broken. `StoreError` when the store does not answer.
    """
    seconds = find_moment_seconds(release)
    given = {"model": model, "candidate": candidate, "champion": champion, "moment_seconds": seconds}
    until = end_last_moment(window.since, window.until, seconds)
    step = {**given, "window_start": window.since, "window_end": until}
    by_moment = {name: _read_moments(store, name, step) for name in BY_MOMENT}
    # An instance that died is only missed after a while, so what earlier steps saw counts too.
    canary = {**given, "window_start": window.begun, "window_end": window.until}
    windows = {"vanished_instances": canary}
    whole = {name: _read_sides(store, name, windows.get(name, step)) for name in AS_A_WHOLE}
    return by_moment | whole


def add_up(moments: Sequence[Moment]) -> SideBySide:
    """Both sides' means over all moments."""
    candidate = _divide(
        "candidate", sum(item.candidate_total for item in moments), sum(item.candidate_size for item in moments)
    )
    champion = _divide(
        "champion", sum(item.champion_total for item in moments), sum(item.champion_size for item in moments)
    )
    return SideBySide(candidate, champion, tuple(moments))


def _divide(subject: str, total: float, size: int) -> Measurement:
    return Measurement(subject, total / size if size else None, None, size)


def _read_moments(store: Store, name: str, parameters: dict[str, object]) -> SideBySide:
    check = load_check("canary", name)
    columns, rows = select(store, check, parameters)
    if set(columns) != COLUMNS:
        raise CheckError(
            f"check {check.name} returns the columns {', '.join(columns)}. Needed are {', '.join(sorted(COLUMNS))}"
        )
    sums = {(row["moment"], row["subject"]): (float(row["total"]), int(row["size"])) for row in rows}
    nothing = (0.0, 0)
    return add_up(
        [
            Moment(*sums.get((moment, "candidate"), nothing), *sums.get((moment, "champion"), nothing))
            for moment in sorted({moment for moment, _ in sums})
        ]
    )


def _read_sides(store: Store, name: str, parameters: dict[str, object]) -> SideBySide:
    sides = {item.subject: item for item in measure(store, load_check("canary", name), **parameters)}
    return SideBySide(sides["candidate"], sides["champion"])
