"""The base image's files, laid out for an engine elsewhere by a checkout that only its owner may read."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from training.images.base_recipe import COMPILE

REPOSITORY = Path(__file__).parents[3]
IN_A_READ_ONLY_CHECKOUT = """
chmod -R a-w,go-rwx .
umask 077
code=0
"$0" -B -m training.images.base --context "$1" || code=$?
chmod -R u+w .
exit "$code"
"""


def test_an_image_of_a_private_read_only_checkout_can_be_read_by_whoever_it_runs_as(tmp_path: Path) -> None:
    variables = {
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "CYCLONE_IMAGE_REPOSITORY": "localhost:1/cyclone",  # it is only named
        "CYCLONE_WORK_DIR": str(tmp_path / "work"),
    }
    context = tmp_path / "a context"
    copying = [str(REPOSITORY / ".ci" / "private-copy"), "sh", "-c", IN_A_READ_ONLY_CHECKOUT, sys.executable]
    done = subprocess.run([*copying, str(context)], env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modes = {path: path.stat().st_mode for path in context.rglob("*")}
    assert context / "src" / "cyclone" / "spec.py" in modes
    closed = [path for path, mode in modes.items() if not mode & (stat.S_IXOTH if path.is_dir() else stat.S_IROTH)]
    assert closed == [context / "Dockerfile"]  # the engine alone reads it
    assert f"RUN {COMPILE}\n" in (context / "env" / "docker" / "Dockerfile").read_text()
    staged = [path for path in (tmp_path / "work").rglob("*") if path.is_dir()]
    assert [path for path in staged if not path.stat().st_mode & stat.S_IWUSR] == []  # the next one has to remove it


def test_pythons_own_library_is_compiled_in_the_image(tmp_path: Path) -> None:
    folders = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", "-c", COMPILE], env={**os.environ, "PATH": folders, "PYTHONPYCACHEPREFIX": str(tmp_path)}, check=True
    )
    compiled = {path.name.split(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert {"argparse", "decoder", "base_events", "socket"} <= compiled
    assert not [path for path in tmp_path.rglob("*.pyc") if "site-packages" in path.parts]
