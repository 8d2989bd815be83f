"""What `cyclone explain` tells of a story that the store holds: an alarm, a retraining, a release, a prediction."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg2.extras import Json
from typer.testing import CliRunner

from cyclone.__main__ import app
from cyclone.checks.evaluation import record
from cyclone.checks.verdicts import CheckResult
from cyclone.errors import LineageError
from cyclone.lineage.explain import explain
from cyclone.lineage.report import format_lineage
from cyclone.policy.incidents import close_incident, finish_retraining, join_incident, start_retraining
from cyclone.releases import create_candidate, promote_release
from cyclone.store import Store
from tests.support.statements import execute

ALARM = datetime(2011, 2, 17, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MODELS = ("bike_demand", "iris")
RUN = "retrain__bike_demand__incident_1"
REASON = "error 31.5 is above 1.5 × 9.87"
ROW = (
    "SELECT ensure_partition('prediction_log', %(at)s);"
    "INSERT INTO prediction_id (model, id, created_at) VALUES (%(model)s, %(id)s, %(at)s);"
    "INSERT INTO prediction_log (model, id, version, revision, instance_id, sequence, input, prediction, latency_ms,"
    " created_at) VALUES (%(model)s, %(id)s, %(version)s, %(revision)s, %(instance)s, 1, '{\"hour\": 8}',"
    " %(prediction)s, %(latency)s, %(at)s)"
)
LABEL = (
    "SELECT ensure_partition('label', %(at)s);"
    "INSERT INTO label (model, id, label, observed_at) VALUES ('bike_demand', %(id)s, %(label)s, %(at)s)"
)
PREDICTION = """\
prediction p1 of bike_demand
  answered    143.2 in 1.75 ms by revision bike-demand-v2-c1
  instance    instance-1
  calibration 1: ratio 1.084 from 168 rows of 7 days, fingerprint ab12
  created     2011-03-02 08:00
  input       {"hour": 8}
  label       151, observed 2011-03-04 08:00
  earlier     150, observed 2011-03-03 08:00

"""
CALIBRATION = "  calibration 1: ratio 1.084 from 168 rows of 7 days, fingerprint ab12, by bike-demand-v2-c1\n"
VERSION = f"""\
version 2 of bike_demand
  MLflow run  0123abcd
  accepted    with a mean_absolute_error 12.3 on days unseen by siblings, 2011-02-17 01:00
  trained on  1,001 rows
{CALIBRATION}
incident 1 of bike_demand
  opened      2011-02-17 00:00: error 31.5 is above 1.5 × 9.87
  asked for   2011-02-17 00:00 in monitor_1. Decided: retrain, error 31.5 is above 1.5 × 9.87
  failed      wasserstein of wind of version 1: 0.41 on 168, chance 0.0001, 2011-02-10 00:00 to 2011-02-17 00:00
  failed      mean_absolute_error of version 1: 31.5 on 168, limit 22.2, 2011-02-10 00:00 to 2011-02-17 00:00
  passed      1 other verdict of the same run
  joined by   1 more, the last: 2011-02-17 01:00 in a person by ada
  closed      2011-02-17 03:00: promoted

retraining retrain__bike_demand__incident_1
  started     2011-02-17 01:00
  data        1,120 rows, all that was known 2011-02-17 00:00: 2011-01-01 00:00 to 2011-02-15 23:00
  fingerprint f1f1
  gate        passed: error 9 against the champion's 10 on 120 rows of 5 days: 0.9 × (0.82 to 0.97)
  champion    version 1
  ended       2011-02-17 03:00: promoted, the challenger serves

release 1
  revision    bike-demand-v2-c1
  image       registry/bike_demand@sha256:feed
  digest      sha256:feed
  candidate   2011-02-17 02:00
  canary      10 %: passed, no harm on 40 requests
  canary      30 %: inconclusive
  promoted    2011-02-17 03:00
  state       champion"""
TEXT = PREDICTION + VERSION.replace(CALIBRATION, "")
"""Of a prediction, the calibration that answered it is told, not the others."""


@pytest.fixture
def story(store: Store) -> Store:
    """Version 1 fails, version 2 answers the incident, is corrected by a calibration, and answers p1."""
    record_checks(store)
    for source, at, detail in (
        ("monitor_1", ALARM, {"failed": []}),
        ("a person", ALARM + HOUR, {"asked_by": "ada"}),
        (RUN, ALARM + HOUR, {}),
    ):
        join_incident(store, "bike_demand", source=source, at=at, reason=REASON, detail=detail)
    store.run(
        "policy/decision_record",
        model="bike_demand",
        run_id="monitor_1",
        at=ALARM,
        version=1,
        action="retrain",
        reason=REASON,
        cause=None,
        incident_id=1,
        asked_by=None,
        because=None,
        despite=None,
    )
    retrain(store)
    release(store)
    put_row(store, "p1", 2, "bike-demand-v2-c1", ALARM + 13 * DAY + 8 * HOUR)
    for label, days in (("150", 14), ("151", 15)):
        execute(store, LABEL, id="p1", label=label, at=ALARM + days * DAY + 8 * HOUR)
    return store


def record_checks(store: Store) -> None:
    def result(name: str, subject: str, **values: Any) -> CheckResult:
        kind: Any = "drift" if name == "wasserstein" else "error"
        places: Any = {"window_start": ALARM - 7 * DAY, "window_end": ALARM}
        return CheckResult(kind, name, subject, 1, standard_error=None, sample_size=168, **values, **places)

    results = [
        result("mean_absolute_error", "all", value=31.5, limit=22.2, verdict="failed"),
        result("wasserstein", "wind", value=0.41, limit=0.2, verdict="failed", p_value=0.0001),
        result("bias", "all", value=1.0, limit=2.0, verdict="passed"),
    ]
    with store.transaction() as transaction:
        record(transaction, "bike_demand", "monitor_1", results)


def retrain(store: Store) -> None:
    start_retraining(store, RUN, "bike_demand", 1, ALARM + HOUR)
    store.run(
        "policy/dataset_record",
        run_id=RUN,
        model="bike_demand",
        as_of=ALARM,
        since="-infinity",
        row_count=1120,
        first_created_at=datetime(2011, 1, 1, tzinfo=UTC),
        last_created_at=ALARM - 25 * HOUR,
        query_sha256="abcd",
        fingerprint="f1f1",
    )
    record_gate(store, "0123abcd")
    store.run(
        "training/profile_insert",
        model="bike_demand",
        version=2,
        mlflow_run_id="0123abcd",
        metric="mean_absolute_error",
        accepted_error=12.3,
        sample_size=1001,
        created_at=ALARM + HOUR,
    )


def record_gate(store: Store, mlflow_run_id: str) -> None:
    store.run(
        "policy/gate_record",
        run_id=RUN,
        model="bike_demand",
        mlflow_run_id=mlflow_run_id,
        is_passed=True,
        champion_version=1,
        champion_error=10,
        challenger_error=9,
        ratio_lower=0.82,
        ratio_upper=0.97,
        rule="refute",
        margin=0.02,
        slice_margin=0.1,
        row_count=120,
        day_count=5,
        slices="{}",
        unjudged="{}",
        reason="error 9 against the champion's 10 on 120 rows of 5 days: 0.9 × (0.82 to 0.97)",
    )


def release(store: Store) -> None:
    made = create_candidate(
        store,
        *("bike_demand", 2, "bike-demand-v2", "registry/bike_demand@sha256:feed", "sha256:feed", RUN),
        ALARM + 2 * HOUR,
    )
    for number, percent, verdict, detail in (
        (1, 10, "passed", {"reason": "no harm on 40 requests"}),
        (2, 30, "inconclusive", {}),
    ):
        execute(
            store,
            "INSERT INTO release_step VALUES (%(id)s, %(number)s, %(percent)s, %(verdict)s, %(detail)s, now(), now())",
            id=made.release_id,
            number=number,
            percent=percent,
            verdict=verdict,
            detail=Json(detail),
        )
    promote_release(store, made, ALARM + 3 * HOUR)
    finish_retraining(store, "bike_demand", RUN, ALARM + 3 * HOUR, "promoted", "the challenger serves", 2)
    close_incident(store, 1, ALARM + 3 * HOUR, "promoted")
    store.run(
        "calibration/insert",
        asked_by=None,
        model="bike_demand",
        version=2,
        run_id="day",
        method="ratio",
        parameters=[1.084],
        fitted_at=ALARM + 10 * DAY,
        row_count=168,
        error_without=12.0,
        error_with=11.0,
        reason="ratio 1.084 from 168 rows of 7 days",
        since=ALARM,
        fingerprint="ab12",
    )
    store.run("calibration/name", calibration_id=1, revision="bike-demand-v2-c1")
    store.run(
        "calibration/serve",
        calibration_id=1,
        release_id=made.release_id,
        revision="bike-demand-v2-c1",
        at=ALARM + 10 * DAY,
    )


def put_row(
    store: Store, identity: str, version: int | None, revision: str | None, at: datetime, model: str = "bike_demand"
) -> None:
    answered = version is not None
    execute(
        store,
        ROW,
        model=model,
        id=identity,
        version=version,
        revision=revision,
        at=at,
        instance="instance-1" if answered else None,
        prediction="143.2" if answered else None,
        latency=1.75 if answered else None,
    )


def test_a_prediction_tells_all_that_led_to_it(story: Store) -> None:
    assert format_lineage(explain(story, MODELS, "p1")) == TEXT


def test_a_version_and_its_incident_tell_the_same_without_the_prediction(story: Store) -> None:
    assert format_lineage(explain(story, MODELS, "bike_demand:v2")) == VERSION
    assert format_lineage(explain(story, MODELS, "bike_demand:2")) == VERSION
    assert format_lineage(explain(story, MODELS, "incident 1")) == VERSION


def test_an_alarm_that_came_again_with_another_detail_tells_its_checks_once(story: Store) -> None:
    before = explain(story, MODELS, "incident 1")
    join_incident(story, "bike_demand", "monitor_1", ALARM + HOUR, REASON, {"failed": ["another"]})
    after = explain(story, MODELS, "incident 1")
    assert after.checks == before.checks
    assert len(after.alarms) == len(before.alarms) + 1


def test_a_gate_that_decides_again_is_of_the_challenger_that_was_trained_again(story: Store) -> None:
    """A run that was cleared may train in another MLflow run. Its version is not without a gate then."""
    record_gate(story, "4567efab")
    execute(story, "UPDATE reference_profile SET mlflow_run_id = '4567efab' WHERE version = 2")
    told = explain(story, MODELS, "bike_demand:v2")
    assert told.version is not None
    assert (told.version["run_id"], told.version["mlflow_run_id"]) == (RUN, "4567efab")


def test_machines_get_the_same_as_json(story: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONE_STORE_DSN", story.dsn)
    told = CliRunner().invoke(app, ["explain", "incident", "1", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.output)
    assert found == explain(story, MODELS, "incident:1").to_json()
    assert found["incident"]["opened_at"] == "2011-02-17T00:00:00+00:00"
    assert [alarm["source"] for alarm in found["alarms"]] == ["monitor_1", "a person", RUN]
    assert found["dataset"]["fingerprint"] == "f1f1"
    assert found["releases"][0]["image_digest"] == "sha256:feed"
    assert found["prediction"] is None


def test_an_incident_that_nothing_answered_yet_tells_who_asked(store: Store) -> None:
    join_incident(store, "iris", source="manual__1", at=ALARM, reason="requested by manual__1", detail={})
    assert format_lineage(explain(store, MODELS, "incident 1")) == (
        "incident 1 of iris\n"
        "  opened      2011-02-17 00:00: requested by manual__1\n"
        "  asked for   2011-02-17 00:00 in manual__1\n"
        "  closed      not yet"
    )


def test_a_row_of_the_history_was_answered_by_nobody(store: Store) -> None:
    put_row(store, "history-1", None, None, ALARM)
    assert format_lineage(explain(store, MODELS, "history-1")) == (
        "prediction history-1 of bike_demand\n"
        "  answered    by nobody: a row of the history, known before Cyclone\n"
        "  created     2011-02-17 00:00\n"
        '  input       {"hour": 8}\n'
        "  label       none so far"
    )


def test_a_row_of_a_container_behind_the_proxy_tells_what_is_known(store: Store) -> None:
    put_row(store, "p2", 7, "bike-demand-v7", ALARM)
    assert format_lineage(explain(store, MODELS, "p2")) == (
        "prediction p2 of bike_demand\n"
        "  answered    143.2 in 1.75 ms by revision bike-demand-v7\n"
        "  instance    instance-1\n"
        "  calibration none: the version's own prediction\n"
        "  created     2011-02-17 00:00\n"
        '  input       {"hour": 8}\n'
        "  label       none so far\n"
        "  version     7. The store has neither a reference profile nor a release of it"
    )


def test_a_version_that_was_not_trained_here_tells_where_it_served(store: Store) -> None:
    create_candidate(store, "iris", 3, "iris-v3", "registry/iris:3", "sha256:3", "by_hand", ALARM)
    assert format_lineage(explain(store, MODELS, "iris:v3")) == (
        "version 3 of iris\n"
        "  MLflow run  unknown: it was not trained here\n\n"
        "release 1\n"
        "  revision    iris-v3\n"
        "  image       registry/iris:3\n"
        "  digest      sha256:3\n"
        "  candidate   2011-02-17 00:00\n"
        "  state       candidate"
    )


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("incident 9", "incident 9 is not in the store: `cyclone timeline <model>` shows those of a model"),
        ("bike_demand:v9", "bike_demand has no version 9. Versions in the store: v2"),
        ("iris:v9", "iris has no version 9. Versions in the store: none"),
        ("p9", "'p9' is no prediction in the log of bike_demand, iris. A subject is a prediction's id, "),
        ("other:v1", "'other:v1' is no prediction in the log of bike_demand, iris"),
        ("incident 99999999999999999999", "is no prediction in the log"),
    ],
)
def test_what_there_is_not_is_named(story: Store, subject: str, message: str) -> None:
    with pytest.raises(LineageError) as raised:
        explain(story, MODELS, subject)
    assert message in str(raised.value)


def test_an_id_that_two_models_have_needs_the_model(story: Store) -> None:
    put_row(story, "p1", 1, "iris-v1", ALARM, model="iris")
    with pytest.raises(LineageError, match="'p1' is a prediction of bike_demand, iris: name one of them with --model"):
        explain(story, MODELS, "p1")
    assert format_lineage(explain(story, ["bike_demand"], "p1")) == TEXT
