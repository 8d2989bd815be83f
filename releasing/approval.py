"""The word of a person before a candidate gets its first or its last share, as `release.approval` says.

The store has one question a release, and its first answer counts. Airflow, the page and the command line all answer it
here. Nobody waits in a process: whoever leads the canary looks at the question again and again.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from cyclone.clock import read_now
from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.releases import Release, current_release, read_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.wording import finish_sentence, format_number, format_percent
from releasing.lock import LockedReleases, hold_releases

Answer = Literal["approved", "refused", "expired"]


@dataclass(frozen=True)
class Question:
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


def find_question(store: Store, release: Release) -> Question | None:
    """The question about a release, or None when nobody was asked."""
    found = _list_questions(store, release.model, release.release_id)
    return found[0] if found else None


def ask_person(settings: Settings, spec: ModelSpec, release: Release, percent: int, canary: str = "") -> Question:
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
            _answer(settings, held, release, "expired", None, None)
        question = _read_again(store, release)
    return question


def decide(
    settings: Settings, spec: ModelSpec, is_approved: bool, by: str, because: str, version: int | None = None
) -> Release:
    """Answer the question that waits about a model, in the name of `by`, and return its release.

    `version` is the one that the person has seen, or None for whichever waits. A refused candidate has no traffic any
    more when this returns.
    Errors: `StaleReleaseError` when a newer version has come meanwhile. `ReleaseError` when nothing waits, when the
    question was answered already, or when its time or its release is over.
    """
    from releasing.canary_steps import end_by_hand
    from releasing.promotion import roll_back

    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        question = _find_asked(held, spec, version)
        release = read_release(held, question.release_id)
        _check_open(held, release, question)
        if not _answer(settings, held, release, "approved" if is_approved else "refused", by, because):
            raise _refuse(_read_again(held, release), spec)
    if not is_approved:
        reason = f"refused by {by}: {because}"
        end_by_hand(settings, spec.name, release.run_id, goes_on=False, reason=reason)
        roll_back(settings, spec, release.run_id, reason)
    return release


def approve_by_promoting(settings: Settings, spec: ModelSpec, release: Release, by: str, because: str) -> None:
    """Note that who promotes a candidate approves of it, whether or not the question was put yet.

    Errors: `ReleaseError` when it was refused already.
    """
    if spec.release.approval == "none":
        return
    question = ask_person(settings, spec, release, 100)
    if question.answer is None:
        decide(settings, spec, True, by, because, release.version)
    elif question.answer != "approved":
        raise _refuse(question, spec)


def check_approved(store: Store, spec: ModelSpec, release: Release) -> None:
    """Check that a release that is to be promoted has the word that it needs.

    Errors: `ReleaseError` when it has not.
    """
    question = find_question(store, release) if is_asked_before(spec, 100) else None
    if is_asked_before(spec, 100) and (question is None or question.answer != "approved"):
        stands = question.describe_answer() if question and question.answer else "no person has approved it"
        raise ReleaseError(
            f"{spec.name}: version {release.version} may not be promoted, because release.approval is"
            f" {spec.release.approval} and {stands}"
        )


def _ask(
    settings: Settings, spec: ModelSpec, held: LockedReleases, release: Release, percent: int, canary: str
) -> Question:
    at = read_now(held, settings, spec.name)
    words = _tell(held, release, percent, canary)
    hours = spec.release.approval_hours
    place = {"release_id": release.release_id, "traffic_percent": percent}
    held.run("approval/ask", **place, at=at, hours=hours, words=words)
    return _read_again(held, release)


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


def _find_asked(store: Store, spec: ModelSpec, version: int | None) -> Question:
    """The newest question, if it is about the version that a person has seen."""
    found = _list_questions(store, spec.name, None)
    if not found:
        raise ReleaseError(f"{spec.name}: nothing waits for approval. `cyclone status` shows what is under way")
    newest = found[0]
    if version not in (None, newest.version):
        raise StaleReleaseError(
            f"{spec.name}: version {version} does not wait for approval any more. The newest that was asked about is"
            f" version {newest.version}. Look at its numbers, and decide again"
        )
    return newest


def _check_open(store: Store, release: Release, question: Question) -> None:
    champion = current_release(store, release.model)
    if question.answer is not None:
        raise ReleaseError(
            f"{release.model}: version {release.version} was answered already: {question.describe_answer()}. The first"
            " answer counts"
        )
    if release.is_over:
        raise ReleaseError(
            f"{release.model}: version {release.version} is {release.state.replace('_', ' ')} already: {release.reason}"
        )
    if champion is not None and champion.release_id >= release.release_id:
        raise StaleReleaseError(
            f"{release.model}: version {champion.version} serves, which was released after version"
            f" {release.version} or is the same, so nothing is left to decide about version {release.version}"
        )


def _refuse(question: Question, spec: ModelSpec) -> ReleaseError:
    stands = question.describe_answer() if question.answer else f"its time was over at {question.deadline:%H:%M %Z}"
    return ReleaseError(
        f"{spec.name}: version {question.version} cannot be decided about any more: {stands}."
        f" `cyclone retrain {spec.name}` asks for a new one"
    )


def _answer(
    settings: Settings, held: LockedReleases, release: Release, answer: Answer, by: str | None, because: str | None
) -> bool:
    at = read_now(held, settings, release.model)
    told = {"answer": answer, "answered_by": by, "because": because, "at": at}
    return bool(held.run("approval/answer", release_id=release.release_id, **told))


def _read_again(store: Store, release: Release) -> Question:
    question = find_question(store, release)
    assert question is not None, "it was asked, and questions are never deleted"
    return question


def _list_questions(store: Store, model: str, release_id: int | None) -> list[Question]:
    rows = store.fetch("approval/questions", model=model, release_id=release_id)
    return [Question(**{field.name: row[field.name] for field in fields(Question)}) for row in rows]
