"""The answer of a person to the question whether a candidate may go on: in Airflow, on the page, or by a command."""

from cyclone.errors import ReleaseError, StaleReleaseError
from cyclone.releases import Release, current_release, read_release
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.approval.questions import Approval, ask_person, list_questions, read_question, record_answer
from releasing.canary_steps import end_by_hand
from releasing.lock import hold_releases
from releasing.promotion import roll_back


def decide(
    settings: Settings, spec: ModelSpec, is_approved: bool, by: str, because: str, version: int | None = None
) -> Release:
    """Answer the question that waits about a model, in the name of `by`, and return its release.

    `version` is the one that the person has seen, or None for whichever waits. A refused candidate has no traffic any
    more when this returns.
    Errors: `StaleReleaseError` when a newer version has come meanwhile. `ReleaseError` when nothing waits, when the
    question was answered already, or when its time or its release is over.
    """
    with hold_releases(Store(settings.store_dsn), spec.name) as held:
        question = _find_asked(held, spec, version)
        release = read_release(held, question.release_id)
        _check_open(held, release, question)
        if not record_answer(settings, held, release, "approved" if is_approved else "refused", by, because):
            raise _refuse(read_question(held, release), spec)
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


def _find_asked(store: Store, spec: ModelSpec, version: int | None) -> Approval:
    """The newest question, if it is about the version that a person has seen."""
    found = list_questions(store, spec.name, None)
    if not found:
        raise ReleaseError(f"{spec.name}: nothing waits for approval. `cyclone status` shows what is under way")
    newest = found[0]
    if version not in (None, newest.version):
        raise StaleReleaseError(
            f"{spec.name}: version {version} does not wait for approval any more. The newest that was asked about is"
            f" version {newest.version}. Look at its numbers, and decide again"
        )
    return newest


def _check_open(store: Store, release: Release, question: Approval) -> None:
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


def _refuse(question: Approval, spec: ModelSpec) -> ReleaseError:
    stands = question.describe_answer() if question.answer else f"its time was over at {question.deadline:%H:%M %Z}"
    return ReleaseError(
        f"{spec.name}: version {question.version} cannot be decided about any more: {stands}."
        f" `cyclone retrain {spec.name}` asks for a new one"
    )
