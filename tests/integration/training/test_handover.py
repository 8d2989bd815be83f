"""Each task of a retraining on a worker of its own: a process whose folder no other has, and which is gone then."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cyclone.errors import ConfigurationError, HandoverError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from tests.support.datasets import FEBRUARY, make_dataset
from training.data.dataset import build_dataset, find_run_folder, read_dataset, take_dataset

RUN = "manual__2011-02-02T00:00:00+00:00"
WORKER = """
import json, sys
from cyclone_airflow import retrain_tasks

class Instance:
    def xcom_push(self, key, value):
        pass

name, values = sys.argv[1], json.loads(sys.argv[3])
given = getattr(retrain_tasks, name).function("bike_demand", *values, run_id=sys.argv[2], ti=Instance())
print("GIVEN " + json.dumps(given))
"""


def run_task(folder: Path, place: str, name: str, *values: Any) -> Any:
    """Run a task of the DAG on a new worker, and take the worker away. What the task gives, or what it said."""
    work = folder / f"worker-of-{name}"
    variables = {**os.environ, "CYCLONE_WORK_DIR": str(work), "CYCLONE_HANDOVER_URL": place}
    command = [sys.executable, "-c", WORKER, name, RUN, json.dumps(values)]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert work.is_dir()
    shutil.rmtree(work)
    given = [line.removeprefix("GIVEN ") for line in done.stdout.splitlines() if line.startswith("GIVEN ")]
    return json.loads(given[0]) if given else done.stderr


def test_workers_that_share_no_folder_hand_over_through_another_place(
    settings: Settings, january: int, tmp_path: Path
) -> None:
    place = (tmp_path / "third place" / "cyclone").as_uri().replace("%20", " ")
    data = run_task(tmp_path, place, "dataset", {"as_of": FEBRUARY.isoformat()})
    assert data["rows"] == 688
    assert not Path(data["path"]).exists()
    assert run_task(tmp_path, place, "validate", data)["success"] is True
    challenger = run_task(tmp_path, place, "train", data)
    assert challenger["training_rows"] == 587
    assert run_task(tmp_path, place, "gate", data, challenger)["passed"] is True
    again = run_task(tmp_path, place, "dataset", {"as_of": FEBRUARY.isoformat()})
    assert again["fingerprint"] == data["fingerprint"]
    handed = {path.name for path in (tmp_path / "third place" / "cyclone" / "bike_demand" / RUN).iterdir()}
    assert handed == {"dataset.json", "dataset.parquet", "validation.html", "validation.json"}


def test_without_such_a_place_they_find_nothing(settings: Settings, january: int, tmp_path: Path) -> None:
    data = run_task(tmp_path, "", "dataset", {"as_of": FEBRUARY.isoformat()})
    assert f"the file of the dataset, {data['path']}, is gone" in run_task(tmp_path, "", "validate", data)


def test_a_worker_with_the_files_of_an_earlier_try_takes_the_newer_ones(
    settings: Settings, bike_demand: ModelSpec, january: int, tmp_path: Path
) -> None:
    place = {"handover_url": (tmp_path / "place").as_uri()}
    one, other = (settings.model_copy(update={**place, "work_dir": tmp_path / name}) for name in ("one", "other"))
    first = build_dataset(one, bike_demand, "run_1", datetime(2011, 1, 31, tzinfo=UTC))
    take_dataset(other, "bike_demand", "run_1", first.__dict__)
    second = build_dataset(one, bike_demand, "run_1", FEBRUARY)
    taken = take_dataset(other, "bike_demand", "run_1", second.__dict__)
    assert Path(taken.path).is_relative_to(tmp_path / "other")
    assert len(read_dataset(bike_demand, taken)) == second.rows > first.rows


@pytest.mark.parametrize(
    ("place", "kind", "said"),
    [
        ("file:///proc/version/cyclone", HandoverError, ": files of bike_demand cannot be handed over"),
        ("s3://bucket/cyclone", ConfigurationError, " cannot be opened: Install s3fs"),
    ],
)
def test_a_place_that_cannot_be_used_is_named(
    place: str,
    kind: type[Exception],
    said: str,
    settings: Settings,
    bike_demand: ModelSpec,
    january: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # where it happens to be installed
    there = settings.model_copy(update={"handover_url": place})
    with pytest.raises(kind, match=f"CYCLONE_HANDOVER_URL='{place}'{said}"):
        make_dataset(there, bike_demand)
    find_run_folder(settings, "bike_demand", "run_1")  # it is still a folder that the next try can use
