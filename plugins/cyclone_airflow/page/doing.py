"""What the actions of the page do: what the commands of the same names do, under the name of Airflow's user."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cyclone.clock import read_now
from cyclone.errors import HoldError, ReleaseError
from cyclone.policy.holds import resume
from cyclone.policy.requests import ask, build_request
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from cyclone.wording import capitalise, join_sentences
from cyclone_airflow.waking import wake_monitor

Do = Callable[[Settings, str, str, str, str, Sequence[str], int | None], str]
"""Does an action: the settings, its name, the model, the user, the reason, what a request ignores, and the version that
the user has seen. Says what came of it. Errors: those of Cyclone."""
Wake = Callable[[str, str, str], bool]
"""Starts a run of a model's monitor under an id and in the name of a user. False when Airflow cannot be asked."""


def do(
    settings: Settings,
    action: str,
    model: str,
    user: str,
    because: str,
    despite: Sequence[str],
    version: int | None = None,
) -> str:
    """Do an action in a thread of the API server, and say in words what became of it.

    Errors: `HoldError` and `ReleaseError` with the reason why nothing was done, and whatever the parts of Cyclone raise
    that do not answer.
    """
    spec = find_model(settings.models_dir, model)
    if action == "retrain":
        return request_retraining(settings, spec, user, because, despite)
    if action == "resume":
        return end_holds(settings, spec, user, because)
    if action in ("approve", "refuse"):
        return answer_question(settings, spec, action == "approve", user, because, version)
    if action == "promote":
        return promote_canary(settings, spec, user, sign(user, because))
    if action == "roll-back":
        return return_to_former(settings, spec, user, sign(user, because))
    return correct_now(settings, spec, user, because)


def sign(user: str, because: str) -> str:
    """The text that says which person did something, and why."""
    return f"by hand in Airflow ({user}): {because}"


def request_retraining(
    settings: Settings, spec: ModelSpec, user: str, because: str, despite: Sequence[str], wake: Wake = wake_monitor
) -> str:
    """Ask the policy for a retraining, as `cyclone retrain` does, and wake the monitor that starts it."""
    store = Store(settings.store_dsn)
    request = build_request(user, is_person=True, because=because, despite=despite)
    source = f"page of Airflow by {user} at {datetime.now(UTC).isoformat()}"
    answer = ask(store, spec, source, request, read_now(store, settings, spec.name))
    if answer.incident_id is None:
        raise HoldError(answer.describe_refusal(spec.name))
    is_woken = wake(spec.name, f"page__incident_{answer.incident_id}", user)
    starts = "A run of the monitor starts it now" if is_woken else "The monitor's next run starts it"
    return f"{join_sentences([capitalise(answer.decision.reason), f'incident {answer.incident_id}'])}. {starts}."


def end_holds(settings: Settings, spec: ModelSpec, user: str, because: str) -> str:
    """End the open holds, as `cyclone resume` does."""
    store = Store(settings.store_dsn)
    ended = resume(store, spec, user, because, read_now(store, settings, spec.name))
    return f"No longer held: {join_sentences(ended)}."


def answer_question(
    settings: Settings, spec: ModelSpec, is_approved: bool, user: str, because: str, version: int | None
) -> str:
    """Approve or refuse a candidate that waits for a person, as `cyclone approve` and `cyclone refuse` do."""
    from releasing.approval.answers import decide

    release = decide(settings, spec, is_approved, user, because, version)
    end = "approved. Its release goes on" if is_approved else "refused. The champion has all traffic"
    return f"Version {release.version} of {spec.name} is {end}."


def promote_canary(settings: Settings, spec: ModelSpec, user: str, reason: str) -> str:
    """Give the candidate in its canary all traffic, as `cyclone promote` does."""
    from releasing.early_promotion import promote_early

    version = promote_early(settings, spec, user, reason)
    return f"Version {version} of {spec.name} has all traffic."


def return_to_former(settings: Settings, spec: ModelSpec, user: str, reason: str) -> str:
    """Return to what served before, as `cyclone rollback` does."""
    from releasing.returning import return_traffic

    done: list[str] = []
    return_traffic(settings, spec, user, reason, on_step=done.append)
    return f"{capitalise(join_sentences(done))}."


def correct_now(settings: Settings, spec: ModelSpec, user: str, because: str) -> str:
    """Recalibrate what serves, as the monitor does, and keep who asked for it."""
    from cyclone.alerts.records import note_asked
    from cyclone_airflow.recalibrate_task import correct_daily

    store = Store(settings.store_dsn)
    now = read_now(store, settings, spec.name)
    try:
        reason = correct_daily(settings, spec, now)
    except ReleaseError as error:
        note_asked(store, spec.name, "recalibrate", user, because, "failed", str(error), now)
        raise
    note_asked(store, spec.name, "recalibrate", user, because, "done", reason, now)
    return f"{capitalise(reason)}."
