"""What the policy and the gate stop, seen through the real DAGs of a real Airflow."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cyclone.alerts.payload import Alert
from cyclone.alerts.records import record
from cyclone.errors import ConfigurationError, DataError, StoreError
from cyclone.names import name_retraining
from cyclone.policy.holds import list_holds, resume
from cyclone.policy.incidents import Incident, join_incident, start_retraining
from cyclone.policy.refit_scores import find_due_stretch
from cyclone.policy.requests import ask, build_request
from cyclone.settings import Settings
from cyclone.spec import load_model_spec
from cyclone.store import Store
from tests.support.dag_runner import REPOSITORY, DagRunner, run_dag_runner
from tests.support.staged_releases import record_champion
from tests.support.statements import execute
from training.data.dataset import build_dataset
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.refits import score_refit
from training.registry import register_challenger

DAY = timedelta(days=1)
NOW = datetime(2011, 2, 10, tzinfo=UTC)
MODEL_YAML = """
name: shop
task: regression
features: [{name: size, type: number}, {name: kind, type: category, values: [plain, rare]}]
label: {name: price, type: number, expected_delay_hours: 24}
retrain: {minimum_rows: 20, slices: [kind]}
recalibrate: {enabled: false}
serving: {accept_created_at: true}
"""
BY_KIND = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

def build_estimator():
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["kind"])), LinearRegression())
"""
BY_SIZE = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

def build_estimator():
    return make_pipeline(make_column_transformer(("passthrough", ["size"])), LinearRegression())
"""
WORSE = """
from sklearn.dummy import DummyRegressor

def build_estimator():
    return DummyRegressor(strategy="constant", constant=1000.0)
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagRunner]:
    with run_dag_runner(tmp_path_factory.mktemp("policy")) as runner:
        yield runner


@pytest.fixture
def shop(settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Version 1 of a model serves: it knows what a kind costs on average. The environment of its DAGs.

    Plain goods cost ten times their size, the rare ones five, give or take a cent: size says more about the whole.
    """
    folder = tmp_path / "models" / "shop"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL_YAML)
    (folder / "pipeline.py").write_text(BY_KIND)
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(folder.parent))
    settings = settings.model_copy(update={"models_dir": folder.parent})
    put_rows(store, NOW - 30 * DAY, NOW)
    spec = load_model_spec(folder)
    dataset = build_dataset(settings, spec, "first", NOW - 5 * DAY)
    challenger = train_challenger(settings, spec, dataset, "first")
    gate = compare_with_champion(settings, spec, dataset, challenger)
    version = register_challenger(settings, spec, challenger, gate).version
    record_champion(store, "shop", version, NOW - 6 * DAY)
    execute(
        store,
        "UPDATE prediction_log SET version = 1, revision = 'shop-v1' WHERE created_at >= %(at)s",
        at=NOW - 6 * DAY,
    )
    return {
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_MODELS_DIR": str(folder.parent),
        "CYCLONE_WORK_DIR": str(settings.work_dir),
        "CYCLONE_CLOCK": "replay",
        "CYCLONE_CLOUD_RUN_ENDPOINT": "http://127.0.0.1:9",  # nobody is there, and nothing is released
        "MLFLOW_TRACKING_URI": settings.mlflow_uri,
    }


def put_rows(store: Store, since: datetime, until: datetime) -> None:
    """A row an hour with its prediction and, a day later, its label."""
    for parent in ("prediction_log", "label"):
        for month in ("2011-01-01", "2011-02-01"):
            execute(store, "SELECT ensure_partition(%(parent)s, %(month)s)", parent=parent, month=month)
    span = {"since": since, "until": until}
    rows = (
        "generate_series(%(since)s, %(until)s - interval '1 hour', interval '1 hour') WITH ORDINALITY AS hour (at, n)"
    )
    execute(
        store,
        "INSERT INTO prediction_log (model, id, input, prediction, created_at) SELECT 'shop', 'row-' || n,"
        " jsonb_build_object('size', n %% 10 / 10.0, 'kind', CASE WHEN n %% 5 = 0 THEN 'rare' ELSE 'plain' END),"
        f" '5', at FROM {rows}",
        **span,
    )
    execute(store, "INSERT INTO prediction_id SELECT model, id, created_at FROM prediction_log")
    execute(
        store,
        "INSERT INTO label (model, id, label, observed_at) SELECT 'shop', 'row-' || n, to_jsonb("
        " CASE WHEN n %% 5 = 0 THEN 5 ELSE n %% 10 END + n %% 7 / 100.0), at + interval '1 day'"
        f" FROM {rows} WHERE at + interval '1 day' <= %(until)s",
        **span,
    )


def retrain(runner: DagRunner, shop: dict[str, str], pipeline: str, **conf: Any) -> tuple[dict[str, Any], str]:
    """Somebody triggers `retrain__shop` by hand, after pipeline.py became another."""
    Path(shop["CYCLONE_MODELS_DIR"], "shop", "pipeline.py").write_text(pipeline)
    return runner.run("retrain", shop, conf=conf)


def stop_labels(store: Store) -> list[tuple[Any, ...]]:
    """Take the labels of the last days away, for `put_labels` to bring them."""
    stopped = "DELETE FROM label WHERE observed_at > %(at)s RETURNING id, label::text, observed_at"
    return execute(store, stopped, at=NOW - 4.5 * DAY)


def put_labels(store: Store, labels: list[tuple[Any, ...]]) -> None:
    for row_id, label, at in labels:
        execute(store, "INSERT INTO label VALUES ('shop', %(id)s, %(label)s, %(at)s)", id=row_id, label=label, at=at)


def read_decisions(store: Store) -> list[tuple[Any, ...]]:
    return execute(store, "SELECT action, cause, asked_by, because, despite FROM decision ORDER BY run_id")


def test_two_challengers_that_the_gate_refuses_stop_the_third_until_a_person_resumes(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    result, said = retrain(runner, shop, BY_SIZE, because="sizes tell more")
    assert (result["run"], result["tasks"]["gate"], result["tasks"]["register"]) == ("success", "success", "skipped")
    assert "worse where kind=rare" in said
    shown = runner.read_xcoms(result["run_id"], "gate")
    assert (shown["decision"]["passed"], set(shown["decision"]["slices"])) == (False, {"kind=plain", "kind=rare"})
    assert shown["_link_GateLink"].endswith("/gate.json")
    kept = execute(store, "SELECT rule, margin, slice_margin, reason FROM gate_decision WHERE NOT is_passed")
    assert kept == [("refute", 0.02, 0.1, shown["decision"]["reason"])]
    result, said = retrain(runner, shop, WORSE)
    assert (result["run"], result["tasks"]["gate"], result["tasks"]["register"]) == ("success", "success", "skipped")
    assert "shown to be more than 2 % worse" in said
    outcomes = execute(store, "SELECT outcome FROM retraining ORDER BY started_at")
    assert outcomes == [("kept_champion",), ("kept_champion",)]
    assert execute(store, "SELECT count(*) FROM incident WHERE closed_at IS NULL") == [(0,)]

    result, said = retrain(runner, shop, BY_KIND)
    assert (result["run"], result["tasks"]["start"], result["tasks"]["train"]) == (
        "failed",
        "failed",
        "upstream_failed",
    )
    assert "the last 2 brought no gain (kept champion, kept champion)" in said
    assert "`cyclone resume shop --because …`" in said
    assert execute(store, "SELECT count(*) FROM retraining") == [(2,)]
    assert read_decisions(store) == [
        ("retrain", None, "dag_test", "sizes tell more", []),
        ("retrain", None, "dag_test", "", []),
        ("hold", "pause", "dag_test", "", []),
    ]
    (hold,) = list_holds(store, "shop")
    spec = load_model_spec(Path(shop["CYCLONE_MODELS_DIR"], "shop"))
    assert resume(store, spec, "Ada", "sizes are right now", NOW) == [hold.reason]
    request = build_request("Ada", is_person=True, because="", despite=[])
    assert ask(store, spec, "once more", request, NOW).decision.should_retrain


def test_broken_upstream_data_are_told_once_and_start_nothing(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    execute(
        store,
        "UPDATE prediction_log SET input = input || '{\"size\": 0.5}' WHERE created_at >= %(at)s",
        at=NOW - 2 * DAY,
    )
    execute(store, "UPDATE prediction_log SET prediction = '90' WHERE version = 1")
    (tasks, said), (again, _) = (
        runner.run("monitor", shop, moment=f"2011-02-10T00:{minute}:00+00:00") for minute in ("00", "05")
    )
    assert tasks["tasks"]["request_retraining"] == "skipped"
    assert (tasks["tasks"]["tell_person"], again["tasks"]["tell_person"]) == ("success", "skipped")
    assert "shop is held: no retraining, although a typical day's mean_absolute_error" in said
    assert "What to do: mend what sends the rows and labels" in said
    (hold,) = list_holds(store, "shop")
    assert hold.cause == "upstream"
    assert hold.reason.endswith("upstream data are broken (size is stuck at one value in 48 rows of 2 days)")
    assert hold.told_at is not None
    assert execute(store, "SELECT action, cause FROM decision") == [("hold", "upstream")] * 2
    assert execute(store, "SELECT count(*) FROM incident") == [(0,)]


def test_labels_that_stopped_are_told_once_though_no_retraining_is_due(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    """Without labels no error can rise: who waits for a trigger never hears of it."""
    stopped = stop_labels(store)
    (tasks, said), (again, _) = (
        runner.run("monitor", shop, moment=f"2011-02-10T00:{minute}:00+00:00") for minute in ("00", "05")
    )
    assert tasks["tasks"]["request_retraining"] == "skipped"
    assert (tasks["tasks"]["tell_person"], again["tasks"]["tell_person"]) == ("success", "skipped")
    words = "labels stopped: none for rows after 2011-02-04 12:00, 3.7 days later than expected"
    assert f"shop is held: no retraining: upstream data are broken ({words})" in said
    (hold,) = list_holds(store, "shop")
    assert hold.cause == "upstream"
    assert execute(store, "SELECT action, cause FROM decision") == [("hold", "upstream")] * 2
    put_labels(store, stopped)
    runner.run("monitor", shop, moment="2011-02-10T00:10:00+00:00")
    assert list_holds(store, "shop") == []
    assert execute(store, "SELECT count(*) FROM incident") == [(0,)]


def test_what_was_asked_for_starts_when_the_data_are_mended(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    incident = open_incident(store, 50)
    broken = stop_labels(store)
    result, _ = runner.run("monitor", shop, moment="2011-02-10T00:00:00+00:00")
    assert (result["tasks"]["request_retraining"], result["tasks"]["tell_person"]) == ("skipped", "success")
    result, said = retrain(runner, shop, BY_KIND)  # it would join, and start at once
    assert result["tasks"]["start"] == "failed"
    assert "upstream data are broken (labels stopped" in said
    assert execute(store, "SELECT incident_id FROM incident WHERE closed_at IS NULL") == [(incident.incident_id,)]
    put_labels(store, broken)
    result, _ = runner.run("monitor", shop, moment="2011-02-10T00:05:00+00:00")
    assert result["tasks"]["request_retraining"] == "success"
    assert runner.read_run_states(name_retraining("shop", incident.incident_id)) == ["queued"]


def test_an_alert_that_waits_is_answered_and_started_by_a_run_of_the_monitor(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    execute(store, "SELECT setval('incident_incident_id_seq', 90, false)")
    now = datetime.now(UTC)
    alerts = [
        Alert("Error has risen", True, True, action, "shop", "0123456789abcdef", now)
        for action in ("retrain", "roll_back")
    ]
    record(store, "http://grafana:3000", [(alert, NOW) for alert in alerts], None)
    result, _ = runner.run("monitor", shop, moment="2011-02-10T00:00:00+00:00")
    tasks = ("request_retraining", "answer_alerts", "recalibrate", "tell_person")
    assert [result["tasks"][name] for name in tasks] == ["success", "success", "skipped", "skipped"]
    assert runner.read_run_states(name_retraining("shop", 90)) == ["queued"]
    assert execute(store, "SELECT action, answer, reason FROM alert ORDER BY action") == [
        ("retrain", "retrain", "requested by alert Error has risen of http://grafana:3000"),
        ("roll_back", "wait", "webhook.actions of shop does not allow roll_back any more"),
    ]


def open_incident(store: Store, number: int) -> Incident:
    """An incident whose retraining no other test has: their stores are apart, but Airflow is one."""
    execute(store, "SELECT setval('incident_incident_id_seq', %(number)s, false)", number=number)
    return join_incident(store, "shop", source="an alarm", at=NOW - DAY, reason="the error is high", detail={})


def test_an_incident_whose_airflow_run_is_gone_is_closed_by_the_next_run_of_the_monitor(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    incident = open_incident(store, 60)
    lost = name_retraining("shop", incident.incident_id)
    start_retraining(store, lost, "shop", incident.incident_id, NOW - DAY)
    result, said = runner.run("monitor", shop, moment="2011-02-10T00:00:00+00:00")
    assert result["tasks"]["request_retraining"] == "skipped"
    reason = f"the Airflow run {lost} ended without closing its incident"
    assert f"Incident {incident.incident_id} is closed as failed: {reason}" in said
    assert execute(
        store,
        "SELECT closed_at, incident.outcome, retraining.outcome, retraining.reason"
        " FROM incident JOIN retraining USING (incident_id)",
    ) == [(NOW, "failed", "failed", reason)]


def test_a_lost_retraining_whose_version_serves_is_closed_as_promoted(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    incident = open_incident(store, 70)
    lost = name_retraining("shop", incident.incident_id)
    start_retraining(store, lost, "shop", incident.incident_id, NOW - DAY)
    execute(
        store,
        "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
        " created_at, promoted_at) VALUES ('shop', 2, 'shop-v2', 'i', 'd', %(run)s, 'champion', 100, %(at)s, %(at)s)",
        at=NOW - DAY,
        run=lost,
    )
    runner.run("monitor", shop, moment="2011-02-10T00:00:00+00:00")
    ended = execute(
        store,
        "SELECT incident.outcome, retraining.outcome, version, retraining.reason"
        " FROM incident JOIN retraining USING (incident_id)",
    )
    reason = f"the challenger serves, but the Airflow run {lost} ended without closing its incident"
    assert ended == [("promoted", "promoted", 2, reason)]


def test_an_incident_whose_airflow_run_failed_before_it_had_begun_is_closed(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    runner.run("retrain", shop, conf={"despite": ["pause"]})  # refused, but Airflow knows the DAG now
    incident = open_incident(store, 80)
    named = name_retraining("shop", incident.incident_id)
    result, _ = runner.run("monitor", shop, moment="2011-02-10T00:00:00+00:00")
    assert result["tasks"]["request_retraining"] == "success"
    runner.run("monitor", shop, moment="2011-02-10T00:05:00+00:00")
    assert runner.read_run_states(named) == ["queued"]
    assert execute(store, "SELECT outcome FROM incident") == [(None,)]  # it may begin yet
    runner.mark_failed(named)
    result, said = runner.run("monitor", shop, moment="2011-02-10T00:10:00+00:00")
    assert result["tasks"]["request_retraining"] == "skipped"
    assert f"is closed as failed: the Airflow run {named} failed before it had begun" in said
    assert execute(store, "SELECT outcome FROM incident") == [("failed",)]
    assert execute(store, "SELECT count(*) FROM retraining") == [(0,)]


def test_the_dag_of_the_documentation_that_tells_of_holds_runs(runner: DagRunner, store: Store) -> None:
    page = (REPOSITORY / "docs" / "decisions-and-policy.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    runner.start(store, example)
    result, _ = runner.read_result()
    assert result["tasks"] == {"send": "success"}
    assert "x-cyclone://bike_demand/holds" in result["schedule"]


BOTH = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

def build_estimator():
    return make_pipeline(
        make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough"), LinearRegression()
    )
"""


def test_a_refit_that_is_scored_by_one_run_is_what_the_next_run_decides_by(
    runner: DagRunner, shop: dict[str, str], store: Store
) -> None:
    """The version answers 5 to everything. What a retraining would make knows sizes as well."""
    Path(shop["CYCLONE_MODELS_DIR"], "shop", "pipeline.py").write_text(BOTH)
    result, said = runner.run("monitor", shop, moment="2011-02-10T00:00:00+00:00")
    assert (result["tasks"]["score_refit"], result["tasks"]["request_retraining"]) == ("success", "skipped")
    assert "refits of shop that know what was known at 2011-02-04" in said
    columns = "day, version, window_days, trained_at, known_at, row_count"
    assert execute(store, f"SELECT {columns} FROM refit_score ORDER BY day") == [
        (NOW - age * DAY, 1, 0, NOW - 6 * DAY, NOW - 2 * DAY, 24) for age in (6, 5, 4)
    ]
    # What each day's rows cost by hand: the labels from their numbers, beside the answer 5.
    ((own,),) = execute(
        store,
        "SELECT avg(abs(label::numeric - 5)) FROM label INNER JOIN prediction_id USING (id)"
        " WHERE created_at >= %(day)s AND created_at < %(day)s::timestamptz + interval '1 day'",
        day=NOW - 6 * DAY,
    )
    of_day = "SELECT error, refit_error FROM refit_score WHERE day = %(day)s"
    ((kept, refit),) = execute(store, of_day, day=NOW - 6 * DAY)
    assert kept == pytest.approx(float(own))
    assert refit < 0.6 * kept

    result, said = runner.run("monitor", shop, moment="2011-02-10T00:05:00+00:00")
    assert result["tasks"]["score_refit"] == "skipped"
    assert result["tasks"]["request_retraining"] != "skipped"
    ((reason,),) = execute(store, "SELECT reason FROM incident")
    words = r"version 1 lost [\d.]+ days of accepted mean_absolute_error to refits in 3 days and loses 0\.\d+ a day"
    assert re.match(words, reason)
    assert ("retrain", reason) in execute(store, "SELECT action, reason FROM decision")


UNFIT = """
from sklearn.dummy import DummyRegressor

class Odd(DummyRegressor):
    def fit(self, X, y, sample_weight=None):
        raise KeyError("a column that is gone")

def build_estimator():
    return Odd()
"""


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("def build_estimator():\n    raise RuntimeError('no licence')\n", "no licence"),
        (UNFIT, "a column that is gone"),
    ],
)
def test_a_pipeline_that_breaks_is_refitted_once_for_each_stretch_of_days(
    shop: dict[str, str], settings: Settings, store: Store, pipeline: str, message: str
) -> None:
    folder = Path(shop["CYCLONE_MODELS_DIR"], "shop")
    (folder / "pipeline.py").write_text(pipeline)
    spec = load_model_spec(folder)
    due = find_due_stretch(store, spec, NOW)
    assert due is not None
    local = settings.model_copy(update={"models_dir": folder.parent})
    # Nothing is wrong with the pipeline while its data cannot be read, so that says nothing of these days.
    with pytest.raises(StoreError):
        score_refit(local.model_copy(update={"training_dsn": "postgresql://postgres@127.0.0.1:9/none"}), spec, due)
    assert execute(store, "SELECT row_count FROM refit_score") == []
    with pytest.raises((ConfigurationError, DataError), match=message):
        score_refit(local, spec, due)
    assert execute(store, "SELECT row_count, refit_error FROM refit_score") == [(0, None)] * 3
    assert find_due_stretch(store, spec, NOW) is None
