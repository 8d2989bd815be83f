"""The replay of a model's own policy, day by day. The functions that decide, calibrate and gate are those of service.

At 00:00 UTC of each day the policy sees what was known then. Those are all rows created before, and their labels
`expected_delay_hours` after them, or with the next load where labels come in loads. A version serves from the day on
which it was trained, with its first calibration. Service differs in one point: there a canary comes between.
"""

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from cyclone.policy.facts import Evidence, PastRetraining, ServingVersion
from cyclone.policy.refits import choose_window
from cyclone.policy.rules import decide, find_judged_error
from training.backtest.history import History
from training.backtest.matrix import Builder, Matrix
from training.backtest.refits import ScoredRefits
from training.backtest.walk import Reason, Run, Version, Walk, follow

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass
class PolicyRun(Run):
    """What a policy did in a replay. `holds` are the days on which a person was told, with the reason."""

    holds: list[tuple[int, str]] = field(default_factory=list)
    highest_ratio: float = 0.0
    """The highest ratio of a typical day's error to the accepted error, on all days when the error trigger looked."""


def run_policy(history: History, build: Builder, start: int) -> PolicyRun:
    """Replay the model's own policy from day `start` on. The first version is trained on what is known at `start`."""
    return replay_policy(Matrix(history, build), start)


def replay_policy(matrix: Matrix, start: int) -> PolicyRun:
    """The same with the versions of a matrix."""
    rule = PolicyRule(matrix)
    run = follow(matrix, start, rule)
    return PolicyRun(run.losses, run.retrainings, run.recalibrations, rule.holds, rule.highest_ratio)


class PolicyRule:
    """The rule that asks `decide`, with the evidence that service would have. It keeps what it told a person."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix, self.history, self.spec = matrix, matrix.history, matrix.spec
        self.holds: list[tuple[int, str]] = []
        self.highest_ratio = 0.0
        self.refits = ScoredRefits(matrix)

    def __call__(self, walk: Walk, day: int) -> Reason | None:
        evidence = self.collect_evidence(walk, day)
        decision = decide(self.spec, evidence)
        self.note_ratio(evidence)
        if decision.should_retrain:
            window = choose_window(self.spec.retrain, self.refits.days)
            return Reason(decision.reason, self.find_delay_days(walk, day), window)
        if decision.needs_person:
            self.holds.append((day, decision.reason))
        return None

    def note_ratio(self, evidence: Evidence) -> None:
        champion = evidence.champion
        found = champion and find_judged_error(self.spec, champion, evidence.now)
        if champion and found and champion.accepted_error > 0:
            ratio = found.error / champion.accepted_error
            self.highest_ratio = max(self.highest_ratio, ratio)

    def collect_evidence(self, walk: Walk, day: int) -> Evidence:
        """The evidence that `cyclone.policy.evidence` would read from the store.

        Errors belong to the day on which their labels were due.
        """
        reach_days = self.spec.retrain.error.reach_days + self.spec.label.load_every_days
        days = walk.list_labelled_days(walk.champion, day - reach_days, day)
        champion = ServingVersion(
            walk.champion.number,
            self.history.time_of(walk.champion.day),
            self.spec.error_metric,
            walk.champion.matrix.find_accepted_error(walk.champion.day),
            tuple(item for item, is_whole in days if is_whole),
        )
        self.refits.follow(walk, day)
        past = self.list_past(walk)
        return Evidence(self.history.time_of(day), champion, retrainings=past, refits=self.refits.days)

    def list_past(self, walk: Walk) -> list[PastRetraining]:
        """The retrainings so far. The first release counts as one."""
        ends = [(walk.start, True), *((item.day, item.is_promoted) for item in walk.run.retrainings)]
        cost = self.spec.retrain.cost
        return [
            PastRetraining(self.history.time_of(day), "promoted" if is_promoted else "kept_champion", cost)
            for day, is_promoted in ends
        ]

    def find_delay_days(self, walk: Walk, day: int) -> int:
        """For how many days the daily error has been above the limit, including the delay of the labels."""
        champion: Version = walk.champion
        limit = self.spec.retrain.error.limit * champion.matrix.find_accepted_error(champion.day)
        days = [item for item, is_whole in walk.list_labelled_days(champion, champion.day, day) if is_whole]
        count = sum(1 for _ in takewhile(lambda item: item.error > limit, reversed(days)))
        return count + day - self.history.find_load(day) + round(self.spec.label.expected_delay_hours / 24)
