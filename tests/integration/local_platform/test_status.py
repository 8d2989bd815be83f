"""The status of a model and of the platform, from a real store: what people read, and what programs parse."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import roll_up
from cyclone.places import REPOSITORY
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.addresses import USUAL_PORTS
from local_platform.platform_record import PartRecord, PlatformRecord, ProcessId
from local_platform.status.model import draw_sparkline, read_model_status, show_model_status
from tests.support.statements import execute, put_champion, put_hourly_errors, put_newest_row

NOW = datetime(2011, 3, 8, tzinfo=UTC)
CYCLONE = Path(sys.executable).parent / "cyclone"


def read(store: Store, spec: ModelSpec, tmp_path: Path) -> dict[str, Any]:
    settings = Settings(store_dsn=store.dsn, clock="replay", work_dir=tmp_path)
    # MLflow's own variable may be set by now, as its client sets it.
    return read_model_status(settings.model_copy(update={"mlflow_uri": ""}), spec)


def show(status: dict[str, Any]) -> list[str]:
    console = Console(file=StringIO(), width=200)
    show_model_status(console, status)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def put_week(store: Store, spec: ModelSpec, error: float) -> None:
    """A version that serves, its newest week of labelled rows, and its monitor's verdicts on it."""
    put_champion(store, NOW - timedelta(days=20))
    put_hourly_errors(store, NOW - timedelta(days=9), NOW, error)
    execute(
        store,
        "INSERT INTO row_rollup (model, version, bucket_start, count)"
        " SELECT model, version, bucket_start, 10 FROM error_rollup",
    )
    put_newest_row(store, NOW - timedelta(minutes=1))
    roll_up(store, spec)
    evaluate_checks(store, spec, "error", NOW, "replay__2011-03-07")


def decide(store: Store, action: str, reason: str) -> None:
    execute(
        store,
        "INSERT INTO decision (model, run_id, at, version, action, reason)"
        " VALUES ('bike_demand', 'replay__2011-03-07', %(at)s, 1, %(action)s, %(reason)s)",
        at=NOW,
        action=action,
        reason=reason,
    )


def test_a_model_that_nothing_serves_is_told_to_train(store: Store, bike_demand: ModelSpec, tmp_path: Path) -> None:
    assert show(read(store, bike_demand, tmp_path)) == [
        "bike_demand: nothing serves yet",
        "what to do  `cyclone train bike_demand` trains and releases its first version",
    ]


def test_a_model_is_fine_by_its_error_its_checks_and_its_newest_decision(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    put_week(store, bike_demand, error=9)
    decide(store, "wait", "no retraining: a typical day's error is as accepted")
    assert show(read(store, bike_demand, tmp_path)) == [
        "bike_demand: fine",
        "traffic   v1 100 %, since 2011-02-16 00:00",
        "decision  2011-03-08 00:00 wait: no retraining: a typical day's error is as accepted",
        "error     mean_absolute_error 9 on a typical day, 0.90 × the accepted 10. Above 15 it is retrained",
        "by day    ██████████  2011-02-27 to 2011-03-08",
        "checks    2 passed, 0 without data, 0 failed",
        "log       1 rows",
        "labels    0, 100 % of those due in a week",
    ]


def test_what_is_worse_comes_first(store: Store, bike_demand: ModelSpec, tmp_path: Path) -> None:
    put_week(store, bike_demand, error=40)
    status = read(store, bike_demand, tmp_path)
    assert (status["state"], status["error"]["ratio"]) == ("warning", pytest.approx(4))
    assert status["verdicts"]["failed_checks"] == ["mean_absolute_error"]
    execute(store, "INSERT INTO incident (model, opened_at, reason) VALUES ('bike_demand', now(), 'the error rose')")
    status = read(store, bike_demand, tmp_path)
    assert (status["state"], status["incident"]["reason"]) == ("retraining", "the error rose")
    execute(
        store,
        "INSERT INTO hold (model, run_id, cause, opened_at, reason)"
        " VALUES ('bike_demand', 'run', 'budget', now(), 'the budget is spent')",
    )
    status = read(store, bike_demand, tmp_path)
    assert (status["state"], status["holds"][0]["remedy"][:5]) == ("held", "wait,")


def test_the_sparkline_of_days_without_an_error_is_flat() -> None:
    assert (draw_sparkline([]), draw_sparkline([0, 0]), draw_sparkline([1, 8])) == ("", "▁▁", "▂█")


def run(store: Store, tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    variables = {
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_WORK_DIR": str(tmp_path),
        "CYCLONE_MODELS_DIR": str(REPOSITORY / "models"),
    }
    return subprocess.run([CYCLONE, *arguments], env=os.environ | variables, capture_output=True, text=True)


def test_the_document_of_a_model_has_the_keys_that_the_documentation_names(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    put_week(store, bike_demand, error=9)
    done = run(store, tmp_path, "status", "bike_demand", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    page = (REPOSITORY / "docs" / "command-line.md").read_text()
    assert [key for key in document if f"`{key}`" not in page] == []
    assert (document["state"], document["at"]) == ("fine", "2011-03-07T01:00:00+00:00")


def test_the_platform_is_told_as_a_document_too(store: Store, tmp_path: Path) -> None:
    me = ProcessId.of(os.getpid())
    parts = {"mlflow": PartRecord(me, "http://127.0.0.1:9")}
    PlatformRecord(me, "now", tmp_path, store.dsn, USUAL_PORTS, tmp_path, tmp_path, parts, "now").write()
    done = run(store, tmp_path, "status", "--json")
    assert done.returncode == 1, "a part does not answer"
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert (document["is_fine"], document["parts"][0]["is_up"]) == (False, False)
    assert [(model["model"], model["traffic"]) for model in document["models"]] == [("bike_demand", [])]
    pages = json.loads(run(store, tmp_path, "open", "bike_demand", "--json").stdout)
    assert pages["monitor"] == f"http://127.0.0.1:{USUAL_PORTS['airflow']}/dags/monitor__bike_demand"


def test_train_says_how_to_start_a_platform_that_does_not_run(store: Store, tmp_path: Path) -> None:
    done = run(store, tmp_path, "train", "bike_demand")
    assert (done.returncode, done.stderr) == (
        1,
        f"cyclone: nothing runs in {tmp_path}. `make up` starts the platform\n",
    )


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ("models", {"models", "errors"}),
        ("timeline bike_demand", {"model", "events"}),
        ("log status", {"revisions", "incomplete_windows", "set_aside"}),
        (
            "monitor what-if bike_demand --config models/bike_demand/model.yaml --from 2011-03-07 --to 2011-03-08",
            {"model", "days"},
        ),
    ],
)
def test_a_command_that_reads_prints_one_document(
    store: Store, bike_demand: ModelSpec, tmp_path: Path, arguments: str, keys: set[str]
) -> None:
    put_week(store, bike_demand, error=9)
    done = run(store, tmp_path, *arguments.split(), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() == keys
