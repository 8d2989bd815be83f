"""What the monitor does about alerts that wait, on a store of their own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cyclone.alerts.payload import Alert
from cyclone.alerts.records import StoredAlert, list_waiting, record, weigh_waiting
from cyclone.errors import ReleaseError
from cyclone.policy.incidents import find_unanswered_incident
from cyclone.sections import Webhook
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow.alert_tasks import act, answer_alerts
from cyclone_airflow.monitor_tasks import MonitorRun
from tests.support.statements import execute, put_newest_row

NOW = datetime(2011, 3, 8, tzinfo=UTC)
RUN = MonitorRun("bike_demand", "run", "2011-03-07T23:55:00+00:00", "2011-03-08T00:00:00+00:00")


class DagRun:
    """A run that was triggered without a configuration."""

    conf: dict[str, str] | None = None


CONTEXT: dict[str, Any] = {"run_id": "run", "dag_run": DagRun(), "data_interval_end": NOW.isoformat()}


def put_alert(
    store: Store, action: str, name: str = "Mean has moved", at: datetime = NOW, started_at: datetime | None = None
) -> StoredAlert:
    alert = Alert(name, True, True, action, "bike_demand", "0123456789abcdef", started_at or datetime.now(UTC))
    (stored,) = record(store, "http://grafana:3000", [(alert, at)], signed_at=None).values()
    return stored


def read_answers(store: Store) -> list[tuple[Any, ...]]:
    return execute(store, "SELECT action, answer, reason FROM alert ORDER BY alert_id")


def test_the_monitor_answers_what_waits_for_a_retraining_before_it_decides(
    store: Store, settings: Settings, bike_demand: ModelSpec
) -> None:
    put_alert(store, "retrain")
    recalibrating = put_alert(store, "recalibrate")
    assert weigh_waiting(store, bike_demand, NOW) == [recalibrating]
    incident = find_unanswered_incident(store, "bike_demand")
    assert incident is not None
    assert read_answers(store)[0] == (
        "retrain",
        "retrain",
        "requested by alert Mean has moved of http://grafana:3000",
    )
    assert weigh_waiting(store, bike_demand, NOW) == [recalibrating]
    assert execute(store, "SELECT count(*) FROM incident") == [(1,)]


def test_an_alert_recalibrates_as_the_monitor_does(store: Store, settings: Settings, bike_demand: ModelSpec) -> None:
    spec = bike_demand.model_copy(update={"webhook": Webhook(actions=("recalibrate",))})
    assert act(settings, spec, put_alert(store, "recalibrate"), RUN) == ("done", "no version serves")


def test_what_the_model_does_not_allow_any_more_is_not_done(store: Store, settings: Settings) -> None:
    put_alert(store, "roll_back")
    ((source, told),) = answer_alerts.function("bike_demand", **CONTEXT).items()
    assert source.startswith("alert 0123456789abcdef since 20")
    assert told == "wait: webhook.actions of bike_demand does not allow roll_back any more"
    assert list_waiting(store, "bike_demand") == []


@pytest.fixture
def allowing(settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that allows alerts to roll back."""
    folder = tmp_path_factory.mktemp("models") / "bike_demand"
    folder.mkdir()
    text = (settings.models_dir / "bike_demand" / "model.yaml").read_text()
    (folder / "model.yaml").write_text(f"{text}\nwebhook: {{actions: [roll_back]}}\n")
    (folder / "pipeline.py").write_text("def build_estimator(): ...\n")
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(folder.parent))


def test_an_action_that_fails_is_tried_by_every_run_for_an_hour(store: Store, allowing: None) -> None:
    put_newest_row(store, NOW)
    began = put_alert(store, "roll_back").started_at
    for _ in range(2):
        with pytest.raises(ReleaseError, match="nothing has been promoted yet"):
            answer_alerts.function("bike_demand", **CONTEXT)
        assert len(list_waiting(store, "bike_demand")) == 1
    execute(store, "UPDATE alert SET received_at = received_at - interval '61 minutes'")
    assert put_alert(store, "roll_back", started_at=began).times == 2, "it comes again, and gets no longer for it"
    (told,) = answer_alerts.function("bike_demand", **CONTEXT).values()
    assert told.startswith("failed: bike_demand: nothing has been promoted yet")
    assert list_waiting(store, "bike_demand") == []
    put_alert(store, "roll_back", started_at=began)
    with pytest.raises(ReleaseError, match="nothing has been promoted yet"):  # another hour begins
        answer_alerts.function("bike_demand", **CONTEXT)
    again = put_alert(store, "roll_back")
    assert (again.answer, again.times) == (None, 1), "it began later, so it is another alert"


def test_the_timeline_tells_what_an_alert_waits_for_and_what_became_of_it(store: Store, settings: Settings) -> None:
    put_alert(store, "roll_back", at=NOW - timedelta(hours=1))
    (waiting,) = store.fetch("lineage/timeline", model="bike_demand")
    assert (waiting["event"], waiting["detail"]) == (
        "alert",
        "Mean has moved of http://grafana:3000 asks for roll-back → waits for the monitor",
    )
    answer_alerts.function("bike_demand", **CONTEXT)
    (answered,) = store.fetch("lineage/timeline", model="bike_demand")
    assert answered["detail"].endswith("→ wait: webhook.actions of bike_demand does not allow roll_back any more")
