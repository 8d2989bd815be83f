"""The question whether a candidate may go on, as the store has it.

The store has one question a release, and its first answer counts. Nobody waits in a process: whoever leads the canary
looks at the question again and again.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from cyclone.clock import read_now
from cyclone.errors import ReleaseError
from cyclone.releases import Release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.wording import finish_sentence, format_number, format_percent
from releasing.lock import LockedReleases, hold_releases

Answer = Literal["approved", "refused", "expired"]


@dataclass(frozen=True)
class Approval:
    """The question whether a release may go on. `words` is what a person is told, `is_late` that its time is over."""

    release_id: int
    version: int
    traffic_percent: int
    deadline: datetime
    words: str
    answer: Answer | None
    answered_by: str | None
    because: str | None
    is_late: bool

    def describe_answer(self) -> str:
        """How it was answered, in words."""
        if self.answer == "expired":
            return f"nobody approved it until {self.deadline:%Y-%m-%d %H:%M %Z}"
        return f"{self.answer} by {self.answered_by}" + (f": {self.because}" if self.because else "")


def is_asked_before(spec: ModelSpec, percent: int) -> bool:
    """Whether a candidate needs a person's word before it gets this share of the traffic."""
    return spec.release.approval == "required" or (spec.release.approval == "canary_only" and percent == 100)


def find_question(store: Store, release: Release) -> Approval | None:
    """The question about a release, or None when nobody was asked."""
    found = list_questions(store, release.model, release.release_id)
    return found[0] if found else None


def list_questions(store: Store, model: str, release_id: int | None) -> list[Approval]:
    """The questions about a model, or about one of its releases, the newest first."""
    rows = store.fetch("approval/questions", model=model, release_id=release_id)
    return [Approval(**{field.name: row[field.name] for field in fields(Approval)}) for row in rows]


def read_question(store: Store, release: Release) -> Approval:
    """The question about a release that was asked."""
    question = find_question(store, release)
    assert question is not None, "it was asked, and questions are never deleted"
    return question


def ask_person(settings: Settings, spec: ModelSpec, release: Release, percent: int, canary: str = "") -> Approval:
    """Ask whether a candidate may get `percent` of the traffic, and return the question as it stands.

    A repeated call asks nothing again. A question whose deadline is over is answered by that. `canary` is what the
    canary has shown so far.
    """
    store = Store(settings.store_dsn)
    question = find_question(store, release)
    if question is None:
        with hold_releases(store, spec.name) as held:
            question = _ask(settings, spec, held, release, percent, canary)
    if question.answer is None and question.is_late:
        with hold_releases(store, spec.name) as held:
            record_answer(settings, held, release, "expired", None, None)
        question = read_question(store, release)
    return question


def record_answer(
    settings: Settings, held: LockedReleases, release: Release, answer: Answer, by: str | None, because: str | None
) -> bool:
    """Keep the answer to a question. False when it has one already, or its time is over or not over yet."""
    at = read_now(held, settings, release.model)
    told = {"answer": answer, "answered_by": by, "because": because, "at": at}
    return bool(held.run("approval/answer", release_id=release.release_id, **told))


def check_approved(store: Store, spec: ModelSpec, release: Release) -> None:
    """Check that a release that is to be promoted has the word that it needs.

    Errors: `ReleaseError` when it has not.
    """
    if not is_asked_before(spec, 100):
        return
    question = find_question(store, release)
    if question is None or question.answer != "approved":
        stands = question.describe_answer() if question and question.answer else "no person has approved it"
        raise ReleaseError(
            f"{spec.name}: version {release.version} may not be promoted, because release.approval is"
            f" {spec.release.approval} and {stands}"
        )


def _ask(
    settings: Settings, spec: ModelSpec, held: LockedReleases, release: Release, percent: int, canary: str
) -> Approval:
    at = read_now(held, settings, spec.name)
    words = _tell(held, release, percent, canary)
    hours = spec.release.approval_hours
    place = {"release_id": release.release_id, "traffic_percent": percent}
    held.run("approval/ask", **place, at=at, hours=hours, words=words)
    return read_question(held, release)


def _tell(store: Store, release: Release, percent: int, canary: str) -> str:
    """What a person is asked, with the numbers of the gate, the canary, and what the version would save."""
    known = store.fetch_one("approval/evidence", model=release.model, run_id=release.run_id) or {}
    parts = [f"Version {release.version} waits for approval before it gets {percent} % of the traffic"]
    if known["why"]:
        parts.append(f"Why it was trained: {known['why']}")
    if known["gate"]:
        parts.append(f"Gate: {known['gate']}")
    if known["champion_error"]:
        less = 1 - known["challenger_error"] / known["champion_error"]
        parts.append(
            f"What it would save: an error of {format_number(known['challenger_error'])} where version"
            f" {known['champion_version']} has {format_number(known['champion_error'])} on the same rows, which is"
            f" {format_percent(abs(less))} {'less' if less >= 0 else 'more'}"
        )
    parts.append(f"Canary: {canary or 'not begun'}")
    return " ".join(map(finish_sentence, parts))
