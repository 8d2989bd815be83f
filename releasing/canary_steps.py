"""The canary of one retraining, step by step. Its state is in the store, so any process can go on with it.

All times are by Postgres' clock, which also says when a row was stored and an instance was seen. So the clocks of the
process that looks and of the instances may be wrong.
"""

import json
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from cyclone.clock import read_store_clock
from cyclone.errors import ReleaseError
from cyclone.releases import Release, current_release, release_of_run
from cyclone.sections import ReleaseRules
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from releasing.approval.questions import ask_person, find_question, is_asked_before
from releasing.canary_judgement import CanaryVerdict, judge_canary
from releasing.canary_measures import Window
from releasing.candidate import give_share
from releasing.lock import hold_releases
from releasing.promotion import roll_back

log = logging.getLogger(__name__)
# How long a canary that cannot be judged holds. Half an hour bridges most outages, and the candidate serves meanwhile.
PATIENCE_SECONDS = 1800.0
PAUSE_SECONDS = 60.0
"""A longer time between two looks counts as a pause, in which nobody could look.

Looks follow each other within seconds, so only an outage or a stopped process makes such a gap.
"""


@dataclass(frozen=True)
class CanaryState:
    """How a canary stands: whether it is over, whether the candidate passed, and why."""

    is_over: bool
    is_passed: bool
    reason: str
    asks: str = ""
    """What a person is asked while it waits for one, with the numbers."""


@dataclass(frozen=True)
class StepEnd:
    """What follows from a verdict. `goes_on` is True for the next step, False for a roll-back, None for waiting."""

    goes_on: bool | None
    reason: str


class CanaryWatch:
    """Looks at the canary of one run again and again.

    A look that fails says nothing of the candidate. So the store or Cloud Run may be away for `patience_seconds`. After
    that the canary counts as failed.
    """

    def __init__(
        self, settings: Settings, spec: ModelSpec, run_id: str, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._settings, self._spec, self._run_id = settings, spec, run_id
        self._patience_seconds = patience_seconds
        self._unable_since: float | None = None

    def look(self) -> CanaryState:
        """Move the canary on if that is due, and say how it stands. A canary that failed is rolled back at once."""
        try:
            state = advance_canary(self._settings, self._spec, self._run_id)
            if state.is_over and not state.is_passed:
                roll_back(self._settings, self._spec, self._run_id, state.reason)
        except Exception as error:
            return self._wait(error)
        self._unable_since = None
        return state

    def _wait(self, error: Exception) -> CanaryState:
        log.warning("The canary of %s cannot be judged now: %s", self._run_id, error)
        now = time.monotonic()  # a clock that is set right must not end the patience
        self._unable_since = self._unable_since or now
        is_over = now - self._unable_since >= self._patience_seconds
        for_so_long = f" for {self._patience_seconds:g} s" if is_over else ""
        return CanaryState(is_over, False, f"could not be judged{for_so_long}: {type(error).__name__}: {error}")


def advance_canary(settings: Settings, spec: ModelSpec, run_id: str) -> CanaryState:
    """Begin the next step, judge the step under way, or say how the canary ended. It can be repeated.

    A step with a sure verdict goes on or rolls back at once. Without one it holds for `deadline_minutes`, not counting
    pauses in which nobody could look. Then it ends as `release.on_deadline` says.
    The last step of `release.steps` (100 %) is the promotion itself, which this function does not do.
    Errors: `ReleaseError`, `StoreError` and `CheckError` say nothing of the candidate. Try again.
    """
    store = Store(settings.store_dsn)
    release = release_of_run(store, spec.name, run_id)
    if release is None:
        raise ReleaseError(
            f"{spec.name}: run {run_id!r} has no candidate. Clear the task `candidate` of this run in Airflow to deploy"
            " one"
        )
    if release.is_over:
        return CanaryState(True, False, f"it is {release.state}: {release.reason}")
    champion = current_release(store, spec.name)
    if champion is None:
        passed = CanaryState(True, True, "there is no champion to compare with: the first release")
        return _wait_for_person(settings, spec, release, 100) or passed
    if over := _find_end(release, champion):
        return over
    steps = store.fetch("release/canary_steps", release_id=release.release_id)
    if steps and steps[-1]["ended_at"] is None:
        return _judge_step(settings, store, spec, release, champion, steps)
    if steps and not steps[-1]["goes_on"]:
        share, reason = steps[-1]["traffic_percent"], steps[-1]["detail"].get("reason", "no reason was kept")
        return CanaryState(True, False, f"the step of {share} % ended: {reason}")
    shares = spec.release.steps[:-1]
    if len(steps) >= len(shares):
        passed = CanaryState(True, True, f"went through {len(shares)} steps")
        return _wait_for_person(settings, spec, release, 100) or passed
    share = shares[len(steps)]
    waiting = _wait_for_person(settings, spec, release, share)
    return waiting or _begin_step(settings, store, spec, release, len(steps) + 1, share)


def end_by_hand(settings: Settings, model: str, run_id: str, goes_on: bool, reason: str) -> None:
    """Note that a person ended the step under way, if there is one. The process that leads the canary sees that."""
    store = Store(settings.store_dsn)
    release = release_of_run(store, model, run_id)
    if release is None:
        return
    for step in store.fetch("release/canary_steps", release_id=release.release_id):
        store.run(
            "release/canary_step_end",
            release_id=release.release_id,
            step_number=step["step_number"],
            verdict="inconclusive",
            goes_on=goes_on,
            detail=json.dumps({**step["detail"], "reason": reason}),
        )


def decide_step(verdict: CanaryVerdict, rules: ReleaseRules, elapsed: timedelta) -> StepEnd:
    """What follows from a verdict.

    A passing step lasts `seconds_per_step` at least. An inconclusive step ends when `deadline_minutes` are over.
    `elapsed` is the time of the step so far, without pauses.
    """
    if verdict.verdict == "failed":
        return StepEnd(False, verdict.reason)
    if verdict.verdict == "passed":
        if elapsed < timedelta(seconds=rules.seconds_per_step):
            return StepEnd(None, f"passing, and the step lasts {rules.seconds_per_step:g} s")
        return StepEnd(True, verdict.reason)
    if elapsed <= timedelta(minutes=rules.deadline_minutes):
        return StepEnd(None, verdict.reason)
    reason = f"inconclusive after {rules.deadline_minutes:g} minutes: {verdict.reason}"
    if rules.on_deadline == "roll_back":
        return StepEnd(False, reason)
    # Without enough requests nothing is known of the candidate, so even `go_on` waits for them.
    is_asked = (verdict.numbers.get("candidate_failure_share_samples") or 0) >= rules.requests_per_step
    return StepEnd(True if is_asked else None, reason)


def _find_end(release: Release, champion: Release) -> CanaryState | None:
    """How the release ended if it was promoted by hand or a newer release overtook it, else None."""
    if release.release_id == champion.release_id:
        return CanaryState(True, True, "it is the champion already")
    if release.release_id < champion.release_id:
        return CanaryState(True, False, f"the newer release {champion.release_id} ({champion.revision}) serves")
    return None


def _begin_step(
    settings: Settings, store: Store, spec: ModelSpec, release: Release, number: int, share: int
) -> CanaryState:
    """Give the share and note the step, unless somebody else has begun it since it was found due."""
    with hold_releases(store, spec.name) as held:
        begun = held.fetch("release/canary_steps", release_id=release.release_id)
        if len(begun) >= number:
            return CanaryState(False, False, f"somebody else began step {number}")
        give_share(settings, spec, held, release.release_id, share)
        held.run("release/canary_step_start", release_id=release.release_id, step_number=number, traffic_percent=share)
    return CanaryState(False, False, f"the candidate has {share} % of the traffic")


def _wait_for_person(
    settings: Settings, spec: ModelSpec, release: Release, share: int, canary: str = ""
) -> CanaryState | None:
    """How a canary stands that a person has to approve before `share`. None when nobody has to, or has approved."""
    if not is_asked_before(spec, share):
        return None
    question = ask_person(settings, spec, release, share, canary)
    if question.answer == "approved":
        return None
    if question.answer is not None:
        return CanaryState(True, False, question.describe_answer())
    reason = f"waits until {question.deadline:%Y-%m-%d %H:%M %Z} for a person's approval"
    return CanaryState(False, False, reason, question.words)


def _end_last_step(
    settings: Settings, spec: ModelSpec, release: Release, steps: list[Row], verdict: CanaryVerdict, end: StepEnd
) -> StepEnd | CanaryState:
    """The end of a step, or the state of a last one that has passed and waits for a person.

    It is judged while it waits, so that a candidate that turns out bad is rolled back. Once a person was asked, only a
    failure ends it without an answer.
    """
    is_last = len(steps) == len(spec.release.steps) - 1
    if not is_last or not is_asked_before(spec, 100) or verdict.verdict == "failed":
        return end
    if not end.goes_on and find_question(Store(settings.store_dsn), release) is None:
        return end
    waiting = _wait_for_person(settings, spec, release, 100, end.reason)
    if waiting is None:
        return StepEnd(True, "a person approved it") if end.goes_on is not True else end
    return StepEnd(False, waiting.reason) if waiting.is_over else waiting


def _judge_step(
    settings: Settings, store: Store, spec: ModelSpec, release: Release, champion: Release, steps: list[Row]
) -> CanaryState:
    now, step = read_store_clock(store), steps[-1]
    window = Window(steps[0]["started_at"], step["started_at"], now)
    verdict = judge_canary(store, spec, release.revision, champion.revision, window)
    place = {"release_id": release.release_id, "step_number": step["step_number"]}
    detail = json.dumps({"reason": verdict.reason, "numbers": verdict.numbers})
    looked = store.fetch_one(
        "release/canary_step_look", **place, detail=detail, looked_at=now, pause_seconds=PAUSE_SECONDS
    )
    if looked is None:
        return CanaryState(False, False, "somebody else judged this step")
    elapsed = now - step["started_at"] - timedelta(seconds=looked["paused_seconds"])
    end = _end_last_step(settings, spec, release, steps, verdict, decide_step(verdict, spec.release, elapsed))
    if isinstance(end, CanaryState):
        return end
    if end.goes_on is None:
        return CanaryState(False, False, end.reason)
    detail = json.dumps({"reason": end.reason, "numbers": verdict.numbers})
    ended = {"verdict": verdict.verdict, "goes_on": end.goes_on, "detail": detail}
    if not store.run("release/canary_step_end", **place, **ended):
        return CanaryState(False, False, "somebody else ended this step")  # their word counts
    return CanaryState(not end.goes_on, False, end.reason)
