"""The webhooks over real HTTP on a real store, driven as Grafana drives them."""

import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import yaml
from starlette.applications import Starlette
from starlette.routing import Mount

from cyclone.alerts.judging import AlertResult
from cyclone.alerts.records import list_waiting
from cyclone.keys import add_key
from cyclone.lineage.explain import explain
from cyclone.lineage.report import format_lineage
from cyclone.policy.holds import list_holds, resume
from cyclone.policy.incidents import close_incident, start_retraining
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone_airflow import plugin, webhook_app
from cyclone_airflow.webhook_app import build_app
from tests.support.grafana import Grafana, build_alertmanager_body, post_over_http
from tests.support.serving_apps import serve_app
from tests.support.statements import execute, put_champion
from tests.unit.plugins.conftest import REPOSITORY
from tests.unit.plugins.webhooks import MINUTE, RISEN, SECRET, count, read_results, serve


def test_an_alert_opens_an_incident_and_wakes_the_monitor(
    grafana: Grafana, store: Store, woken: list[tuple[str, str]]
) -> None:
    grafana.fire("Error has risen", RISEN)
    status, said = grafana.tick() or (0, {})
    assert status == 202
    (answer,) = said["alerts"]
    by = "alert Error has risen of http://grafana.example:3000"
    assert answer == {
        "alert": "Error has risen",
        "model": "bike_demand",
        "action": "retrain",
        "result": "retrain",
        "reason": f"requested by {by}. The monitor's run alert__incident_1 starts it",
        "incident": 1,
        "run": "retrain__bike_demand__incident_1",
        "times": 1,
    }
    assert woken == [("bike_demand", "alert__incident_1")]
    told = format_lineage(explain(store, ["bike_demand"], "incident 1"))
    link = "http://grafana.example:3000/alerting/grafana/cyclone-error/view?orgId=1"
    assert by in told
    assert link in told
    ((_, detail),) = [
        (row["event"], row["detail"])
        for row in store.fetch("lineage/timeline", model="bike_demand")
        if row["event"] == "asked for"
    ]
    assert detail.startswith(f"{by}: bike_demand: Error has risen ({link}) → retrain: ")


def test_fifty_alerts_of_three_grafanas_at_once_make_one_incident_and_one_run(
    url: str, store: Store, woken: list[tuple[str, str]]
) -> None:
    began = datetime.now(UTC)
    senders = [
        Grafana(
            post_over_http(f"{url}/grafana"),
            SECRET,
            address=f"http://grafana-{number}:3000/",
            now=partial(began.__add__, timedelta(seconds=number)),
        )
        for number in range(3)
    ]
    for sender in senders:
        sender.fire("Error has risen", RISEN)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda number: senders[number % 3].send(senders[number % 3].build_body()), range(50)))
    assert {status for status, _ in replies} == {202}
    assert {item["run"] for _, said in replies for item in said["alerts"]} == {"retrain__bike_demand__incident_1"}
    assert execute(store, "SELECT count(*), sum(times) FROM alert") == [(3, 50)]
    assert [count(store, table) for table in ("incident", "incident_alarm", "decision")] == [1, 3, 3]
    assert woken == [("bike_demand", "alert__incident_1")]


def test_groups_of_many_alerts_in_another_order_each_do_not_lock_each_other_out(
    grafana: Grafana, store: Store, woken: list[tuple[str, str]]
) -> None:
    for row in range(40):
        grafana.fire("Error has risen", {**RISEN, "row": str(row)}, ago=timedelta(seconds=row))
    bodies = []
    for turn in range(24):
        grafana.alerts = grafana.alerts[turn:] + grafana.alerts[:turn]
        bodies.append(grafana.build_body())
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(grafana.send, bodies))
    assert {status for status, _ in replies} == {202}
    assert execute(store, "SELECT count(*), sum(times) FROM alert") == [(40, 24 * 40)]
    assert count(store, "incident") == 1
    assert set(woken) - {("bike_demand", "alert__incident_1")} <= {
        ("bike_demand", f"alert__{n}") for n in range(1, 1000)
    }


def test_an_alert_joins_the_run_that_is_active_and_one_that_had_begun_before_its_end(
    grafana: Grafana, store: Store, woken: list[tuple[str, str]]
) -> None:
    grafana.fire("Error has risen", RISEN, ago=3 * MINUTE)
    first = grafana.send(grafana.build_body())[1]["alerts"][0]
    start_retraining(store, first["run"], "bike_demand", first["incident"], datetime.now(UTC))
    woken.clear()
    other = replace(grafana, address="http://twin:3000/", alerts=[])
    other.fire("Error has risen", RISEN, ago=2 * MINUTE)
    joined = other.send(other.build_body())[1]["alerts"][0]
    assert (joined["incident"], joined["run"]) == (first["incident"], first["run"])
    assert joined["reason"].endswith("joins the open incident")
    close_incident(store, first["incident"], datetime.now(UTC), "promoted")
    late = replace(grafana, address="http://slow:3000/", alerts=[])
    late.fire("Error has risen", RISEN, ago=MINUTE)
    answered = late.send(late.build_body())[1]["alerts"][0]
    assert (answered["incident"], count(store, "incident")) == (first["incident"], 1)
    again = grafana.send(grafana.build_body())[1]["alerts"][0]
    assert (again["incident"], again["times"]) == (first["incident"], 2)
    assert woken == []


def test_during_a_hold_an_alert_is_recorded_answered_as_held_and_weighed_again_when_it_comes_again(
    grafana: Grafana, store: Store, bike_demand: ModelSpec, woken: list[tuple[str, str]]
) -> None:
    now = datetime.now(UTC)
    for number in range(2):
        execute(
            store,
            "INSERT INTO retraining (run_id, model, started_at, finished_at, outcome, reason, cost)"
            " VALUES (%(run)s, 'bike_demand', %(at)s, %(at)s, 'failed', 'no disk', 1)",
            run=f"run {number}",
            at=now - timedelta(days=11),
        )
    grafana.fire("Error has risen", RISEN)
    (held,) = grafana.send(grafana.build_body())[1]["alerts"]
    assert (held["result"], held["incident"], held["run"]) == ("hold", None, None)
    assert "the last 2 failed" in held["reason"]
    assert "cyclone resume bike_demand" in held["reason"]
    assert [hold.cause for hold in list_holds(store, "bike_demand")] == ["failures"]
    assert (count(store, "incident"), woken) == (0, [])
    resume(store, bike_demand, "ada", "disks were bought", now)
    (again,) = grafana.send(grafana.build_body(), now + MINUTE)[1]["alerts"]
    assert (again["result"], again["incident"], again["times"]) == ("retrain", 1, 2)


def test_a_request_that_is_sent_again_by_who_caught_it_weighs_nothing_again(
    grafana: Grafana, store: Store, woken: list[tuple[str, str]]
) -> None:
    start_retraining(store, "first", "bike_demand", None, datetime.now(UTC) - timedelta(days=3))
    execute(store, "UPDATE retraining SET finished_at = started_at, outcome = 'promoted'")
    grafana.fire("Error has risen", RISEN)
    body, now = grafana.build_body(), datetime.now(UTC)
    caught = grafana.sign(body, now)
    assert read_results(grafana.post(body, caught))[0][0] == "wait"
    execute(
        store,
        "UPDATE retraining SET started_at = started_at - interval '1 year',"
        " finished_at = finished_at - interval '1 year'",
    )
    for times in (2, 3):
        (answer,) = grafana.post(body, caught)[1]["alerts"]
        assert (answer["result"], answer["times"]) == ("wait", times)
    assert count(store, "incident") == 0
    assert read_results(grafana.send(body, now + timedelta(seconds=1)))[0][0] == "retrain"
    assert read_results(grafana.post(body, caught))[0][0] == "retrain"
    assert count(store, "incident") == 1


def test_within_the_cooldown_an_alert_waits(grafana: Grafana, store: Store) -> None:
    start_retraining(store, "first", "bike_demand", None, datetime.now(UTC) - timedelta(days=3))
    execute(store, "UPDATE retraining SET finished_at = started_at, outcome = 'promoted'")
    grafana.fire("Error has risen", RISEN)
    ((result, reason),) = read_results(grafana.send(grafana.build_body()))
    assert result == "wait"
    assert "within the cooldown" in reason


def test_each_alert_of_a_mixed_group_is_judged_by_itself(grafana: Grafana, store: Store) -> None:
    grafana.fire("Error has risen", RISEN)
    grafana.fire("Error has risen", {"cyclone": "retrain", "model": "no_such_model"})
    grafana.fire("Disk is full", {"host": "db-1"})
    grafana.fire("Wants too much", {"cyclone": "roll_back", "model": "bike_demand"})
    grafana.fire("Wants what is not", {"cyclone": "reboot", "model": "bike_demand"})
    grafana.fail("Error has risen", RISEN, "DatasourceError")
    grafana.fail("Error has risen", RISEN, "DatasourceNoData")
    grafana.fire("Set to alerting", {**RISEN, "row": "1"})
    grafana.alerts[-1].annotations["grafana_state_reason"] = "NoData"
    grafana.fire("Was over", {**RISEN, "row": "2"})
    grafana.alerts[-1].ended = datetime.now(UTC)
    grafana.fire("To be known", {"cyclone": "note", "model": "bike_demand"})
    grafana.alerts[-1].values = None
    results = read_results(grafana.send(grafana.build_body()))
    assert [result for result, _ in results] == [
        "retrain",
        "refused",
        "ignored",
        "refused",
        "refused",
        "ignored",
        "ignored",
        "ignored",
        "ignored",
        "noted",
    ]
    reasons = [reason for _, reason in results]
    assert reasons[1] == "label model is 'no_such_model', and no such model can be used here"
    assert reasons[3] == "webhook.actions of bike_demand allows retrain, recalibrate, note, and not roll_back"
    assert reasons[4] == "label cyclone is 'reboot', allowed are retrain, recalibrate, roll_back, note"
    assert execute(store, "SELECT name, answer FROM alert ORDER BY name") == [
        ("Error has risen", "retrain"),
        ("To be known", "noted"),
    ]
    events = {row["event"]: row["detail"] for row in store.fetch("lineage/timeline", model="bike_demand")}
    assert events["alert"].startswith("To be known of http://grafana.example:3000 asks for note: bike_demand: ")


def test_the_test_button_and_a_resolved_group_are_answered_200_and_do_nothing(grafana: Grafana, store: Store) -> None:
    assert grafana.press_test_button()[0] == 200
    grafana.fire("Error has risen", RISEN)
    grafana.resolve()
    assert grafana.send(grafana.build_body())[0] == 200
    assert [count(store, table) for table in ("alert", "incident")] == [0, 0]


def test_what_the_sender_left_out_is_told(grafana: Grafana, caplog: pytest.LogCaptureFixture) -> None:
    grafana.max_alerts = 1
    for row in range(3):
        grafana.fire("Error has risen", {**RISEN, "row": str(row)})
    status, said = grafana.send(grafana.build_body())
    assert (status, len(said["alerts"]), said["truncated"]) == (202, 1, 2)
    assert "left 2 alerts out of a group" in caplog.text


def test_an_alert_that_is_refused_for_postgres_comes_again_at_the_next_group_interval(
    webhooks: Settings, store: Store, woken: list[tuple[str, str]]
) -> None:
    clock = [datetime.now(UTC)]
    away = webhooks.model_copy(update={"store_dsn": "postgresql://nobody@127.0.0.1:9/cyclone"})
    with serve(away, woken) as off, serve(webhooks, woken) as on:
        grafana = Grafana(post_over_http(f"{off}/grafana"), SECRET, now=lambda: clock[0])
        grafana.fire("Error has risen", RISEN)
        assert grafana.tick() == (503, {"error": "the store does not answer: send it again"})
        clock[0] += MINUTE
        assert grafana.tick() is None, "nothing is sent within the group interval"
        clock[0] += 4 * MINUTE - timedelta(seconds=1)
        assert grafana.tick() is None
        grafana.post = post_over_http(f"{on}/grafana")
        clock[0] += timedelta(seconds=1)
        assert (grafana.tick() or (0,))[0] == 202
        clock[0] += 30 * MINUTE
        assert grafana.tick() is None, "it has been notified"
    assert count(store, "incident") == 1
    assert len(woken) == 1


def test_what_fails_after_an_alert_was_recorded_does_not_change_its_answer(grafana: Grafana, store: Store) -> None:
    grafana.fire("Error has risen", RISEN)
    assert grafana.send(grafana.build_body())[0] == 202
    execute(store, "ALTER TABLE retraining RENAME TO hidden")
    execute(store, "CREATE VIEW retraining AS SELECT * FROM hidden WHERE 1 / 0 = 1")
    status, said = grafana.send(grafana.build_body())
    assert (status, said["alerts"][0]["result"], said["alerts"][0]["times"]) == (202, "retrain", 2)


def test_a_fault_of_cyclones_own_is_a_500_in_words(grafana: Grafana, store: Store) -> None:
    execute(store, "ALTER TABLE alert ADD CHECK (name <> 'Error has risen')")
    grafana.fire("Error has risen", RISEN)
    said = {"error": "Cyclone's own fault: its log tells more"}
    assert grafana.send(grafana.build_body()) == (500, said)


def test_what_the_policy_has_no_time_for_is_recorded_for_the_monitor(
    grafana: Grafana, store: Store, woken: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclone.alerts.receiving.WEIGHING_SECONDS", -1)
    grafana.fire("Error has risen", RISEN)
    grafana.fire("Mean has moved", {"cyclone": "recalibrate", "model": "bike_demand"})
    results = read_results(grafana.send(grafana.build_body()))
    assert results == [
        ("recorded", "The monitor's run alert__1 answers it"),
        ("recorded", "The monitor's run alert__1 answers it"),
    ]
    assert [alert.action for alert in list_waiting(store, "bike_demand")] == ["recalibrate", "retrain"]
    assert woken == [("bike_demand", "alert__1")]


def test_where_airflow_cannot_be_asked_the_answer_says_so(
    webhooks: Settings, woken: list[tuple[str, str]], store: Store
) -> None:
    put_champion(store, datetime.now(UTC) - timedelta(days=30))
    with serve(webhooks, woken, is_airflow_there=False) as url:
        grafana = Grafana(post_over_http(f"{url}/grafana"), SECRET)
        grafana.fire("Error has risen", RISEN)
        ((result, reason),) = read_results(grafana.send(grafana.build_body()))
    assert result == "retrain"
    assert reason.endswith("The monitor's next run starts it")


def test_a_group_of_many_models_and_alerts_is_answered_in_the_time_for_weighing_and_wakes_each_monitor(
    grafana: Grafana,
    webhooks: Settings,
    store: Store,
    woken: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A clock on which an eighth of a second passes at each look: after three alerts the half second is over.
    clock = SimpleNamespace(monotonic=partial(next, itertools.count(0, 0.125)))
    monkeypatch.setattr("cyclone.alerts.receiving.time", clock)
    config = (webhooks.models_dir / "bike_demand" / "model.yaml").read_text()
    models = [f"model_{letter}" for letter in "abcde"]
    for model in models:
        shutil.copytree(webhooks.models_dir / "bike_demand", webhooks.models_dir / model)
        (webhooks.models_dir / model / "model.yaml").write_text(config.replace("name: bike_demand", f"name: {model}"))
    for number in range(200):
        grafana.fire("Error has risen", {"cyclone": "retrain", "model": models[number % 5], "row": str(number)})
    status, said = grafana.send(grafana.build_body())
    assert status == 202
    results = [item["result"] for item in said["alerts"]]
    assert (results.count("retrain"), results.count("recorded")) == (3, 197)
    assert execute(store, "SELECT model, count(*) FROM alert GROUP BY model ORDER BY model") == [
        (m, 40) for m in models
    ]
    assert execute(store, "SELECT count(*) FROM alert WHERE answer IS NULL") == [(197,)]
    assert {model for model, _ in woken} == set(models)
    weighed = {item["model"] for item in said["alerts"] if item["result"] == "retrain"}
    assert count(store, "incident") == len(weighed)


def test_the_examples_of_the_documentation_run(
    webhooks: Settings, woken: list[tuple[str, str]], store: Store, tmp_path: Path
) -> None:
    page = (REPOSITORY / "docs" / "webhook.md").read_text()
    signed, keyed = re.findall(r"```bash\n(.*?)```", page, re.S)
    (wanted,) = re.findall(r"```json\n(.*?)```", page, re.S)
    key = add_key(tmp_path / "keys.json", "alertmanager", ("alert",))
    both = webhooks.model_copy(update={"api_keys_file": tmp_path / "keys.json"})
    alerts = build_alertmanager_body({"alertname": "SlowAnswers", **RISEN}, datetime.now(UTC))
    (tmp_path / "alerts.json").write_bytes(alerts)
    with serve_app(Starlette(routes=[Mount("/cyclone/webhooks", build_app(both, lambda model, run: True))])) as url:
        variables = {**os.environ, "AIRFLOW": url, "SECRET_FILE": str(webhooks.webhook_secret_file), "KEY": key}
        first, second = (
            json.loads(subprocess.check_output(["bash", "-euc", code], env=variables, cwd=tmp_path, text=True))
            for code in (signed, keyed)
        )
    assert first == json.loads(wanted)
    assert second["alerts"][0]["result"] == "retrain"
    assert execute(store, "SELECT name FROM alert ORDER BY alert_id") == [("By hand",), ("SlowAnswers",)]


def test_the_rule_of_the_documentation_looks_at_the_model_that_it_rolls_back() -> None:
    page = (REPOSITORY / "docs" / "webhook.md").read_text()
    (text,) = re.findall(r"```yaml\n(groups:.*?)```", page, re.S)
    ((rule,),) = [group["rules"] for group in yaml.safe_load(text)["groups"]]
    assert re.findall(r'_bucket\{model="([a-z_]+)"\}', rule["expr"]) == [rule["labels"]["model"]]


def test_the_status_table_of_the_documentation_has_every_status_that_is_answered() -> None:
    page = (REPOSITORY / "docs" / "webhook.md").read_text()
    told = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.M) for code in row.split(",")}
    source = inspect.getsource(webhook_app) + inspect.getsource(plugin)
    answered = {int(HTTPStatus[name]) for name in re.findall(r"\bHTTPStatus\.([A-Z_]+)", source)}
    assert told == answered
    (listed,) = re.findall(r"^\| 202 \|(.*)$", page, re.M)
    assert set(get_args(AlertResult)) == set(re.findall("`([a-z_]+)`", listed)) - {"alerts"}
