"""The store of each earlier release, restored and migrated, tells what it told. What waited in Airflow goes on.

`releases/<number>/` is what `make_dump.py` kept of a release. `0.1.0` has a retraining that the rehearsal refused and
triggers of every kind, `0.1.0-canary` goes on to one that a canary released.
"""

import json
import lzma
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from cyclone.checks.rollups import RollupSummary, rebuild, roll_up
from cyclone.errors import StoreError
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
from tests.support.statements import execute
from tests.upgrade.make_dump import REPOSITORY, describe_place, find_program
from tests.upgrade.story import find_changes, read_rollups, tell_story, to_plain

OLD_CHECKS = {"drift": {"population_stability": {"minimum_samples": 150}, "wasserstein": {"minimum_samples": 150}}}
"""The checks that these releases had by default. Another default is no change of what a store tells of them."""
RELEASES = sorted((Path(__file__).parent / "releases").iterdir())


def keep_promised(judged: list[dict[str, Any]], versions: set[int]) -> list[dict[str, Any]]:
    """What windows that are judged again have to say as before: values, samples and verdicts of the same versions.

    Limits by chance are others since days count by their rows, and every version that had traffic is judged now.
    """
    kept = [result for result in judged if result["version"] in versions]
    return [{name: item for name, item in result.items() if name not in ("limit", "p_value")} for result in kept]


@dataclass(frozen=True)
class Upgraded:
    """A release's store under the code of now, and what was recorded of it then."""

    folder: Path
    models: Path
    store: Store
    applied: list[str]

    @cached_property
    def spec(self) -> ModelSpec:
        return load_model_spec(self.models / "bike_demand")

    def read(self, name: str) -> Any:
        return json.loads(lzma.decompress((self.folder / f"{name}.json.xz").read_bytes()))


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a server with few transactions of its own. These dumps have no name of their server.

    The one of the session has thousands after some tests, and takes such a dump for one of its own.
    """
    with EmbeddedPostgres.start(tmp_path_factory.mktemp("new_server"), free_port(0), ()) as server:
        yield server.dsn("postgres") + "?application_name=tests"


@pytest.fixture(scope="module", params=RELEASES, ids=lambda path: path.name)
def upgraded(
    request: pytest.FixtureRequest, new_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    folder: Path = request.param
    models = tmp_path_factory.mktemp("models")
    (models / "bike_demand").mkdir()
    own = yaml.safe_load((folder / "model.yaml").read_text())
    (models / "bike_demand" / "model.yaml").write_text(yaml.safe_dump({"monitor": OLD_CHECKS, **own}))
    (models / "bike_demand" / "pipeline.py").write_text("def build_estimator(): ...\n")
    name = "release_" + re.sub(r"\W", "_", folder.name)
    with closing(psycopg2.connect(new_server)) as raw:
        raw.autocommit = True
        raw.cursor().execute(f"CREATE DATABASE {name}")
        uri = new_server.replace("/postgres?", f"/{name}?")
        psql: list[str | Path] = [find_program("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", uri]
        text = lzma.decompress((folder / "store.sql.xz").read_bytes())
        subprocess.run(psql, input=text, capture_output=True, check=True)
        store = Store(uri)
        yield Upgraded(folder, models, store, store.migrate())
        raw.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_it_is_migrated_once_and_keeps_what_was_applied(upgraded: Upgraded) -> None:
    migrations = {path.stem for path in (REPOSITORY / "sql" / "migrations").glob("*.sql")}
    known = {name for (name,) in execute(upgraded.store, "SELECT name FROM schema_migration")}
    assert known == migrations
    assert upgraded.store.migrate() == []


def test_it_is_counted_again_on_its_new_server_and_goes_on_from_there(upgraded: Upgraded) -> None:
    """The watermark of a dump names transactions of another server. A second count finds nothing new."""
    recorded = upgraded.read("story")["rollups"]
    with pytest.raises(StoreError, match="cyclone rollups rebuild"):
        roll_up(upgraded.store, upgraded.spec)
    rebuild(upgraded.store, upgraded.spec)
    assert find_changes(recorded, read_rollups(upgraded.store)) == []
    assert roll_up(upgraded.store, upgraded.spec) == RollupSummary("bike_demand", 0, 0)


def test_it_gives_the_same_verdicts_roll_ups_lineage_and_log_status(upgraded: Upgraded) -> None:
    rebuild(
        upgraded.store, upgraded.spec
    )  # as a restored store needs, and errors are counted in another way since then
    recorded = upgraded.read("story")
    told = tell_story(upgraded.store, upgraded.spec)
    for day, old in recorded["judged"].items():
        told["judged"][day] = keep_promised(told["judged"][day], {result["version"] for result in old})
        recorded["judged"][day] = keep_promised(old, {result["version"] for result in old})
    assert find_changes(recorded, told) == []


def test_what_waited_in_the_triggerer_finishes(upgraded: Upgraded, tmp_path: Path) -> None:
    rebuild(upgraded.store, upgraded.spec)
    waiting = upgraded.read("waiting")
    done = subprocess.run(
        [sys.executable, "-m", "tests.upgrade.deferred", "finish"],
        cwd=REPOSITORY,
        env={**os.environ, **describe_place(upgraded.store, upgraded.models, tmp_path)},
        input="".join(json.dumps(line) + "\n" for line in waiting),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("FINISHED") for line in done.stdout.splitlines() if line.startswith("FINISHED")]
    finished = [json.loads(line) for line in lines]
    assert [item["path"] for item in finished] == [item["path"] for item in waiting]
    for then, now in zip(waiting, finished, strict=True):
        assert find_changes(then["answer"], now["answer"], then["path"]) == []
        # What fired before the upgrade, and is read by its task after it.
        assert find_changes(now["of_old_answer"], now["returned"], then["path"]) == []


def test_a_change_is_found() -> None:
    recorded = {"verdicts": [{"value": 1.0, "verdict": "passed"}], "count": 3}
    changed = {"verdicts": [{"value": 1.0, "verdict": "failed", "new": 1}], "count": 3.0000001}
    assert find_changes(recorded, changed) == [".verdicts[0].verdict: passed became failed"]
    assert find_changes(recorded, {"verdicts": []})[0].startswith(".verdicts: ")
    assert find_changes(to_plain({"at": (1, True)}), {"at": [1, 1]}) == [".at[1]: True became 1"]
