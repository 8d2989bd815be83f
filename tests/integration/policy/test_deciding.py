"""The one procedure of a decision, on a real store, as the monitor and as a request go through it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cyclone.checks.verdicts import CheckResult
from cyclone.errors import StatementError
from cyclone.policy.facts import Request
from cyclone.policy.holds import list_holds
from cyclone.policy.incidents import find_open_incident
from cyclone.policy.requests import ask
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow.monitor_tasks import MonitorRun, join_if_due
from tests.support.statements import execute, put_champion

NOW = datetime(2011, 3, 1, tzinfo=UTC)
FAILED = CheckResult("drift", "wasserstein", "temp", 1, 0.5, None, 168, 0.2, "failed", NOW - timedelta(days=7), NOW)
NO_INCIDENT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON incident FOR EACH ROW EXECUTE FUNCTION refuse()
"""
Caller = Callable[[], str | None]


@pytest.fixture(params=["monitor", "request"])
def call(request: pytest.FixtureRequest, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Let each caller decide on an alarm for which a retraining is due. Return the run that answers it."""
    spec = write_model(tmp_path)
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(tmp_path))
    execute(
        store,
        "INSERT INTO hold (model, cause, opened_at, reason, run_id) VALUES ('shop', 'budget', %(at)s, 'spent', 'r')",
        at=NOW - timedelta(days=9),
    )
    put_champion(store, NOW - timedelta(days=9), "shop")
    run = MonitorRun("shop", "run 1", "", NOW.isoformat())
    callers: dict[str, Caller] = {
        "monitor": lambda: join_if_due(run, [FAILED], is_backfill=False),
        "request": lambda: ask(store, spec, "run 1", Request("alert 7", is_person=False), NOW).run_id,
    }
    return callers[request.param]


def write_model(folder: Path) -> ModelSpec:
    from cyclone.spec import find_model

    (folder / "shop").mkdir()
    (folder / "shop" / "pipeline.py").touch()
    (folder / "shop" / "model.yaml").write_text(
        "{name: shop, task: regression, features: [{name: temp, type: number}],"
        " label: {name: price, type: number, expected_delay_hours: 24}, retrain: {triggered_by: [drift]}}"
    )
    return find_model(folder, "shop")


def read_decisions(store: Store) -> list[tuple[object, ...]]:
    return execute(store, "SELECT run_id, action, incident_id FROM decision")


def test_an_alarm_opens_its_incident_once_ends_the_holds_that_are_over_and_is_recorded(
    store: Store, call: Caller
) -> None:
    assert (call(), call()) == ("retrain__shop__incident_1", "retrain__shop__incident_1")
    assert execute(store, "SELECT incident_id, source FROM incident_alarm") == [(1, "run 1")]
    assert list_holds(store, "shop") == []
    assert read_decisions(store) == [("run 1", "retrain", 1)]


def test_the_holds_are_those_of_the_decision_before_there_is_an_incident_that_somebody_may_start(
    store: Store, call: Caller
) -> None:
    execute(store, NO_INCIDENT)
    with pytest.raises(StatementError, match="the disk is full"):
        call()
    assert list_holds(store, "shop") == []
    assert find_open_incident(store, "shop") is None
    assert read_decisions(store) == []


def test_what_died_before_its_incident_is_done_when_it_is_asked_again(store: Store, call: Caller) -> None:
    execute(store, NO_INCIDENT)
    with pytest.raises(StatementError, match="the disk is full"):
        call()
    execute(store, "DROP TRIGGER refuse ON incident")
    called = call()
    incident = find_open_incident(store, "shop")
    assert incident is not None
    assert called == f"retrain__shop__incident_{incident.incident_id}"
    assert [row[:2] for row in read_decisions(store)] == [("run 1", "retrain")]


def test_a_decision_that_led_to_nothing_is_replaced_by_what_the_run_then_does(store: Store, call: Caller) -> None:
    """A cleared run that opens an incident is not told as one that waits. The incident stays when it waits again."""
    waited = ("shop", "run 1", "wait", "no check failed")
    execute(
        store,
        "INSERT INTO decision (model, run_id, at, action, reason)"
        " VALUES (%(model)s, %(run)s, now(), %(action)s, %(reason)s)",
        **dict(zip(("model", "run", "action", "reason"), waited, strict=True)),
    )
    call()
    assert read_decisions(store) == [("run 1", "retrain", 1)]
    later = {"at": datetime.now(UTC), "version": None, "cause": None, "incident_id": None, "action": "wait"}
    asked = {"asked_by": None, "because": None, "despite": None}
    store.run("policy/decision_record", model="shop", run_id="run 1", reason="cooldown", **later, **asked)
    assert read_decisions(store) == [("run 1", "retrain", 1)]
