"""A file of rows is scored by the model's own service: a trained version, a real Cloud Run stand-in, the real log."""

import csv
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cyclone.errors import ConfigurationError, DataError, ReleaseError
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.batch.answers import AnswersFile
from releasing.batch.rows import BatchRows
from releasing.batch.scoring import ModelService, score
from releasing.commands import add_commands
from releasing.promotion import promote
from tests.support.serving import wait_until
from tests.support.staged_releases import StartCloudRun, deploy_trained

HEADER = "hour,weekday,workingday,holiday,season,weather,temperature,humidity,wind"
GOOD = "8,2,true,0,1,clear,0.3,0.5,0.1"
LINES = [GOOD, "24,2,true,0,1,clear,0.3,0.5,0.1", "9,2,TRUE,false,1,clear,0.25,0.5,0.1", "8,2,true", GOOD]


def write(path: Path, lines: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def count_logged(store: Store) -> list[tuple[Any, ...]]:
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT id) FROM prediction_log WHERE version IS NOT NULL")
        return cursor.fetchall()


def run(*words: str) -> Any:
    app = typer.Typer()
    add_commands(app)
    return CliRunner().invoke(app, ["predict", *words])


def interrupt(spec: ModelSpec, service: ModelService, source: Path, target: Path) -> None:
    """Press Ctrl-C after the second request of two rows, in the middle of a line."""
    seen: list[int] = []

    def press(position: int) -> None:
        seen.append(position)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(service, BatchRows(spec, source, str(source)), AnswersFile(spec, target), 2, on_progress=press)
    with target.with_name(target.name + ".part").open("a") as file:
        file.write("7,batch-cut")


def test_a_file_is_scored_logged_once_and_taken_up_where_it_stopped(
    start_cloud_run: StartCloudRun,
    store: Store,
    bike_demand: ModelSpec,
    january: int,
    bento_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = start_cloud_run("bento")
    monkeypatch.setenv("CYCLONE_CLOUD_RUN_ENDPOINT", settings.cloud_run_endpoint)
    source, target = write(tmp_path / "rows.csv", LINES), tmp_path / "scored.csv"
    with pytest.raises(
        ReleaseError, match=r"no version serves, so nothing can score rows. `cyclone train bike_demand`"
    ):
        ModelService(settings, bike_demand)
    candidate, _ = deploy_trained(settings, bike_demand)
    promote(settings, bike_demand, candidate)

    result = run("bike_demand", "--from", str(source), "--to", str(target))
    assert result.exit_code == 1, result.output
    assert result.stderr.splitlines() == [
        "line 5: 3 values, where the header has 9 columns",
        "line 3: hour is 24, allowed: an integer from 0 to 23",
    ]
    assert "scored.csv: 3 scored, 2 refused." in result.stdout.replace("\n", "")
    scored = read(target)
    assert [(line["row"], line["version"]) for line in scored] == [("2", "1"), ("4", "1"), ("6", "1")]
    assert all(0 < float(line["prediction"]) < 300 for line in scored)
    assert scored[0]["prediction"] == scored[2]["prediction"] != scored[1]["prediction"]
    wait_until(lambda: count_logged(store) == [(3, 3)], "each row is logged")

    again = run("bike_demand", "--from", str(source), "--to", str(tmp_path / "again.csv"))
    assert again.exit_code == 1
    assert read(tmp_path / "again.csv") == scored

    long, whole = write(tmp_path / "long.csv", [GOOD] * 9), tmp_path / "whole.csv"
    service = ModelService(settings, bike_demand)
    interrupt(bike_demand, service, long, whole)
    summary = score(service, BatchRows(bike_demand, long, "long.csv"), AnswersFile(bike_demand, whole), 2)
    assert (summary.earlier, summary.scored, summary.refused) == (4, 5, 0)
    assert [line["row"] for line in read(whole)] == [str(number) for number in range(2, 11)]
    wait_until(lambda: count_logged(store) == [(12, 12)], "no row is lost, and none is logged twice")

    interrupt(bike_demand, service, long, tmp_path / "other.csv")
    with pytest.raises(DataError, match=r"other.csv.part: row 2 is 'batch-.*' there and 'batch-.*' here"):
        score(service, BatchRows(bike_demand, source, "x"), AnswersFile(bike_demand, tmp_path / "other.csv"), 2)

    taken = write(tmp_path / "taken.csv", [f"one,{GOOD}", f"one,{LINES[2]}"], f"id,{HEADER}")
    result = run("bike_demand", "--from", str(taken), "--to", str(tmp_path / "taken_scored.csv"))
    assert result.exit_code == 1
    assert "line 3: id is 'one', allowed: " in result.stderr


def test_what_cannot_be_scored_is_refused_before_anything_is_sent(tmp_path: Path, bike_demand: ModelSpec) -> None:
    short = write(tmp_path / "rows.csv", [], HEADER.replace(",weather,temperature", ""))
    with pytest.raises(DataError, match=r"rows.csv: no column weather, temperature. Needed are hour, weekday"):
        BatchRows(bike_demand, short, "rows.csv")
    (tmp_path / "scored.csv").touch()
    with pytest.raises(ConfigurationError, match="exists, and nothing is overwritten"):
        AnswersFile(bike_demand, tmp_path / "scored.csv")
    with pytest.raises(ConfigurationError, match=r"folder .*nowhere does not exist. Make it first"):
        AnswersFile(bike_demand, tmp_path / "nowhere" / "scored.csv")
    (tmp_path / "other.csv.part").write_text("a,b\n")
    with pytest.raises(DataError, match=r"its columns are a, b. Remove it"):
        AnswersFile(bike_demand, tmp_path / "other.csv")


def test_each_class_has_a_column_of_its_probability(tmp_path: Path, bike_demand: ModelSpec) -> None:
    label = bike_demand.label.model_copy(update={"type": "category", "values": ("low", "high"), "range": None})
    spec = bike_demand.model_copy(update={"task": "multiclass", "label": label})
    answers = AnswersFile(spec, tmp_path / "scored.csv")
    answers.write([(2, "one", 1, {"low": 0.25, "high": 0.75})])
    answers.finish()
    assert (tmp_path / "scored.csv").read_text() == (
        "row,id,version,prediction,probability_low,probability_high\n2,one,1,high,0.25,0.75\n"
    )
