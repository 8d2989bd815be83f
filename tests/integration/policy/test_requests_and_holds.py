"""Requests for a retraining and what holds them, on a real store."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.errors import HoldError
from cyclone.policy.evidence import collect_evidence
from cyclone.policy.facts import Request
from cyclone.policy.holds import keep_holds, list_holds, note_told, resume
from cyclone.policy.incidents import (
    close_incident,
    find_named_incident,
    find_unanswered_incident,
    finish_retraining,
    start_retraining,
)
from cyclone.policy.requests import RequestAnswer, ask, build_request
from cyclone.policy.rules import decide
from cyclone.sections import Retrain
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.statements import execute

NOW = datetime(2011, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ADA = Request("Ada", is_person=True)
ALERT = Request("alert 7", is_person=False)


def put_retrainings(store: Store, *outcomes: str, ended_at: datetime = NOW - 2 * DAY) -> None:
    for number, outcome in enumerate(outcomes):
        run_id = f"run {number} {ended_at}"
        start_retraining(store, run_id, "bike_demand", None, ended_at)
        finish_retraining(store, "bike_demand", run_id, ended_at, outcome, "", None)  # type: ignore[arg-type]


def break_the_log(store: Store) -> None:
    """Of the last day's requests, most do not fit model.yaml."""
    execute(
        store,
        "INSERT INTO request_stat VALUES ('i', 1, 'bike_demand', 1, 'r', %(at)s, 100, 90, 0, 1, '{}')",
        at=NOW - DAY / 2,
    )


def look(store: Store, spec: ModelSpec, run_id: str, now: datetime = NOW, *requests: Request) -> None:
    """What the monitor does about holds."""
    evidence = collect_evidence(store, spec, [], now, requests)
    keep_holds(store, spec, evidence, decide(spec, evidence), run_id)


def read_causes(store: Store) -> list[str]:
    return [hold.cause for hold in list_holds(store, "bike_demand")]


def test_the_same_request_twice_is_one_incident_and_one_run(store: Store, bike_demand: ModelSpec) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(store, bike_demand, "webhook 7", ALERT, NOW), range(4)))
    assert len(set(answers)) == 1
    (first,) = set(answers)
    assert first.run_id == f"retrain__bike_demand__incident_{first.incident_id}"
    assert execute(store, "SELECT run_id, action, asked_by FROM decision") == [("webhook 7", "retrain", "alert 7")]
    start_retraining(store, first.run_id, "bike_demand", first.incident_id, NOW)
    close_incident(store, first.incident_id or 0, NOW, "promoted")
    assert ask(store, bike_demand, "webhook 7", ALERT, NOW + 30 * DAY) == first
    assert execute(store, "SELECT count(*) FROM incident") == [(1,)]


def test_whoever_asks_joins_the_open_incident(store: Store, bike_demand: ModelSpec) -> None:
    first = ask(store, bike_demand, "webhook 7", ALERT, NOW)
    put_retrainings(store, "failed", "failed")
    second = ask(store, bike_demand, "by hand", ADA, NOW + DAY)
    assert (second.incident_id, second.run_id) == (first.incident_id, first.run_id)
    assert second.decision.reason == "requested by Ada: joins the open incident"
    assert execute(store, "SELECT source FROM incident_alarm ORDER BY source") == [("by hand",), ("webhook 7",)]


def test_what_was_asked_for_waits_until_a_run_begins_to_answer_it(store: Store, bike_demand: ModelSpec) -> None:
    assert find_unanswered_incident(store, "bike_demand") is None
    answer = ask(store, bike_demand, "by hand", ADA, NOW)
    assert answer.run_id is not None
    assert find_unanswered_incident(store, "bike_demand") == answer.incident_id
    assert find_named_incident(store, "bike_demand", answer.run_id) == answer.incident_id
    assert find_named_incident(store, "bike_demand", "by hand") is None
    start_retraining(store, answer.run_id, "bike_demand", answer.incident_id, NOW)
    assert find_unanswered_incident(store, "bike_demand") is None
    close_incident(store, answer.incident_id or 0, NOW, "promoted")
    assert find_named_incident(store, "bike_demand", answer.run_id) == answer.incident_id
    execute(store, "UPDATE retraining SET run_id = 'another'")
    assert find_named_incident(store, "bike_demand", answer.run_id) is None


def test_what_was_asked_for_waits_while_upstream_is_broken(store: Store, bike_demand: ModelSpec) -> None:
    answer = ask(store, bike_demand, "by hand", ADA, NOW)
    assert answer.incident_id is not None
    break_the_log(store)
    held = ask(store, bike_demand, "in Airflow", ADA, NOW)
    assert (held.decision.action, held.decision.cause, held.incident_id) == ("hold", "upstream", None)
    assert find_unanswered_incident(store, "bike_demand", "upstream") is None
    assert find_unanswered_incident(store, "bike_demand") == answer.incident_id
    request = build_request("Ada", is_person=True, because="it is the truth", despite=["upstream"])
    assert ask(store, bike_demand, "despite", request, NOW).incident_id == answer.incident_id
    assert find_unanswered_incident(store, "bike_demand", "upstream") == answer.incident_id


@pytest.mark.parametrize(
    ("cause", "outcomes", "is_broken", "words"),
    [
        ("upstream", [], True, "90 of 100 requests do not fit model.yaml"),
        ("pause", ["kept_champion"] * 2, False, "the last 2 brought no gain (kept champion, kept champion)"),
        ("failures", ["failed", "failed"], False, "the last 2 failed"),
        ("budget", ["promoted", "promoted"], False, "2 of 2 a week are spent, one more costs 1"),
    ],
)
def test_a_held_request_opens_no_incident_unless_a_person_says_in_spite_of_what(
    store: Store, bike_demand: ModelSpec, cause: str, outcomes: list[str], is_broken: bool, words: str
) -> None:
    put_retrainings(store, *outcomes, ended_at=NOW - (2 if cause == "budget" else 8) * DAY)
    if is_broken:
        break_the_log(store)
    held = ask(store, bike_demand, "by hand", ADA, NOW)
    assert (held.decision.action, held.decision.cause, held.incident_id, held.run_id) == ("hold", cause, None, None)
    assert words in held.decision.reason
    assert read_causes(store) == [cause]
    assert execute(store, "SELECT count(*) FROM incident") == [(0,)]
    request = build_request("Ada", is_person=True, because="prices changed", despite=[cause])
    forced = ask(store, bike_demand, "by hand again", request, NOW)
    assert forced.decision.reason == f"requested by Ada, in spite of {cause}"
    assert forced.incident_id is not None
    recorded = execute(store, "SELECT asked_by, because, despite, action, incident_id FROM decision ORDER BY run_id")
    assert recorded == [
        ("Ada", "", [], "hold", None),
        ("Ada", "prices changed", [cause], "retrain", forced.incident_id),
    ]
    details = execute(store, "SELECT detail FROM incident_alarm")
    assert details == [({"asked_by": "Ada", "because": "prices changed", "despite": [cause]},)]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"despite": ["gravity"], "because": "x"},
            "despite 'gravity' must be one of upstream, release, pause, failures, budget",
        ),
        ({"despite": ["pause", "budget"]}, "despite pause, budget needs a because"),
        ({"despite": ["pause"], "because": "x", "is_person": False}, "Ada: only a person may ask despite pause"),
    ],
)
def test_a_request_that_ignores_what_it_may_not_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(HoldError, match=words):
        build_request("Ada", **{"is_person": True, "because": "", **asked})


def test_a_hold_is_opened_once_told_once_and_ends_with_its_cause(store: Store, bike_demand: ModelSpec) -> None:
    break_the_log(store)
    look(store, bike_demand, "run 1", NOW)
    (hold,) = list_holds(store, "bike_demand")
    assert (hold.cause, hold.opened_at, hold.told_at) == ("upstream", NOW, None)
    assert hold.reason.startswith("no retraining: upstream data are broken (90 of 100")
    note_told(store, hold, NOW)
    look(store, bike_demand, "run 2", NOW, ALERT)
    look(store, bike_demand, "run 3", NOW)
    (again,) = list_holds(store, "bike_demand")
    assert (again.hold_id, again.told_at) == (hold.hold_id, NOW)
    look(store, bike_demand, "run 4", NOW + 2 * DAY)
    assert read_causes(store) == []
    events = [row["event"] for row in store.fetch("lineage/timeline", model="bike_demand")]
    assert events == ["hold", "hold ended"]


def test_a_person_resumes_and_what_was_before_counts_no_more(store: Store, bike_demand: ModelSpec) -> None:
    put_retrainings(store, "kept_champion", "kept_champion")
    look(store, bike_demand, "run 1", NOW, ADA)
    (hold,) = list_holds(store, "bike_demand")
    with pytest.raises(HoldError, match="bike_demand: --because is empty"):
        resume(store, bike_demand, "Ada", "", NOW)
    assert resume(store, bike_demand, "Ada", "the labels were late", NOW) == [hold.reason]
    assert read_causes(store) == []
    assert collect_evidence(store, bike_demand, [], NOW).resumed_at == NOW
    assert ask(store, bike_demand, "by hand", ADA, NOW).decision.should_retrain
    with pytest.raises(HoldError, match="bike_demand: nothing is held"):
        resume(store, bike_demand, "Ada", "again", NOW)
    put_retrainings(store, "failed", "failed", ended_at=NOW + DAY)
    assert collect_evidence(store, bike_demand, [], NOW - DAY).resumed_at is None
    look(store, bike_demand, "run 2", NOW + 2 * DAY, ADA)
    assert read_causes(store) == ["failures"]


@pytest.mark.parametrize(
    ("stored", "set_aside", "dropped", "words"),
    [
        (90, 0, 10, "(the log holds 90 of 100 answered rows)"),
        (90, 10, 0, "(the log holds 90 of 100 answered rows, Postgres refused 10)"),
    ],
)
def test_an_incomplete_log_holds_a_retraining(
    store: Store, bike_demand: ModelSpec, stored: int, set_aside: int, dropped: int, words: str
) -> None:
    execute(
        store,
        "INSERT INTO instance_ledger (instance_id, model, version, revision, started_at, last_seen_at, handed_over,"
        " dropped, repeated) VALUES ('i', 'bike_demand', 1, 'r', %(at)s, %(at)s, 100, 0, 0)",
        at=NOW - DAY / 2,
    )
    execute(
        store,
        "INSERT INTO log_window VALUES ('i', %(at)s, %(stored)s, 0, %(set_aside)s, %(dropped)s, 0)",
        at=NOW - DAY / 2,
        stored=stored,
        set_aside=set_aside,
        dropped=dropped,
    )
    look(store, bike_demand, "run 1", NOW, ALERT)
    (hold,) = list_holds(store, "bike_demand")
    assert hold.cause == "upstream"
    assert words in hold.reason


def test_nobody_resumes_from_data_that_are_still_broken(store: Store, bike_demand: ModelSpec) -> None:
    break_the_log(store)
    look(store, bike_demand, "run 1", NOW, ADA)
    with pytest.raises(HoldError, match=r"90 of 100 .*cyclone retrain bike_demand --despite upstream --because"):
        resume(store, bike_demand, "Ada", "I know", NOW)
    assert read_causes(store) == ["upstream"]


def test_to_resume_from_mended_data_forgives_no_retraining(store: Store, bike_demand: ModelSpec) -> None:
    put_retrainings(store, "kept_champion", "kept_champion", ended_at=NOW - DAY)
    break_the_log(store)
    look(store, bike_demand, "run 1", NOW)
    assert read_causes(store) == ["upstream"]
    resume(store, bike_demand, "Ada", "it is mended", NOW + DAY)
    assert ask(store, bike_demand, "by hand", ADA, NOW + DAY).decision.cause == "pause"


@pytest.fixture
def cli(store: Store, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(Path(__file__).resolve().parents[3] / "models"))
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("LOGNAME", "ada")
    return CliRunner()


def test_the_commands_ask_are_held_and_resume(store: Store, cli: CliRunner) -> None:
    put_retrainings(store, "failed", "failed", ended_at=datetime.now(UTC) - DAY)
    held = cli.invoke(app, ["retrain", "bike_demand"])
    assert isinstance(held.exception, HoldError)
    assert "What to do: look at the failed Airflow runs of retrain__bike_demand" in str(held.exception)
    done = cli.invoke(app, ["resume", "bike_demand", "--because", "mended"])
    assert done.exit_code == 0, done.output
    assert "no longer held: no retraining, although requested by ada" in done.output.replace("\n", " ")
    asked = cli.invoke(app, ["retrain", "bike_demand", "--because", "prices"])
    assert asked.exit_code == 0, asked.output
    assert "retrain__bike_demand__incident_1 answers it" in asked.output.replace("\n", " ")
    assert execute(store, "SELECT closed_by, because FROM hold") == [("ada", "mended")]


def test_an_alert_waits_for_the_cooldown_and_is_recorded_all_the_same(store: Store, bike_demand: ModelSpec) -> None:
    put_retrainings(store, "promoted")
    answer = ask(store, bike_demand, "webhook 7", ALERT, NOW)
    assert isinstance(answer, RequestAnswer)
    assert answer.decision.action == "wait"
    assert "within the cooldown of 10 days" in answer.decision.reason
    eager = bike_demand.model_copy(update={"retrain": Retrain(cooldown_days=1)})
    assert ask(store, eager, "webhook 8", ALERT, NOW).decision.should_retrain
