import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bento_service.log.spool_folder import Instance, SpoolBase, claim_base
from cyclone.errors import ConfigurationError

INSTANCE = Instance("one", "bike_demand", 1, "bike-demand-v1", datetime(2011, 1, 1, tzinfo=UTC))
KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from bento_service.log.spool_folder import Instance, SpoolBase
started = datetime(2011, 1, 1, tzinfo=UTC)
SpoolBase(Path(sys.argv[1])).create_folder(Instance("one", "bike_demand", 1, "bike-demand-v1", started))
os.kill(os.getpid(), 9)
"""


def test_the_folder_of_a_killed_process_is_taken_over_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).resolve().parents[3], check=False)
    assert done.returncode == -9
    base = SpoolBase(tmp_path)
    (orphan,) = base.adopt_orphans()
    assert (orphan.path, orphan.instance) == (tmp_path / "one", INSTANCE)
    assert SpoolBase(tmp_path).adopt_orphans() == []
    orphan.release()
    (again,) = base.adopt_orphans()
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_nobodys_orphan(tmp_path: Path) -> None:
    base = SpoolBase(tmp_path)
    folder = base.create_folder(INSTANCE)
    assert base.adopt_orphans() == []
    folder.release()


def test_an_unreadable_folder_is_left_and_stops_no_other(tmp_path: Path) -> None:
    base = SpoolBase(tmp_path)
    base.create_folder(INSTANCE).release()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "instance.json").write_text("{}")
    assert [folder.path.name for folder in base.adopt_orphans()] == ["one"]


def test_a_second_instance_with_the_same_spool_is_refused(tmp_path: Path) -> None:
    first = claim_base(tmp_path / "spool", "bike_demand", "dsn", worker=1)
    with pytest.raises(ConfigurationError, match="another instance has this spool"):
        claim_base(tmp_path / "spool", "bike_demand", "dsn", worker=1)
    second = claim_base(tmp_path / "spool", "bike_demand", "dsn", worker=2)  # of the same instance
    assert first.path == second.path
    assert first.lock is not None
    os.close(first.lock)
    claim_base(tmp_path / "spool", "bike_demand", "dsn", worker=1)


def test_a_spool_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file/spool: the spool's folder cannot be made"):
        claim_base(tmp_path / "file" / "spool", "bike_demand", "dsn", worker=1)


def test_temporary_spools_are_private_and_apart_by_model_and_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bases = [claim_base(None, model, dsn, 1) for model, dsn in (("a", "x"), ("a", "x"), ("b", "x"), ("a", "y"))]
    assert len({base.path for base in bases}) == 3
    assert bases[0].path == bases[1].path
    assert {base.path.stat().st_mode & 0o777 for base in bases} == {0o700}
    assert bases[0].path.parent.stat().st_mode & 0o777 == 0o700
