"""The whole platform as an ordinary account starts it, from a checkout that it may only read, without a HOME."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

NOBODY = "65534"
# Mounts that only this process and what it starts can see. The checkout is shown at another path and read-only.
# Python is shown at its own path, where another account may pass.
SHOW = """
set -e
public="$1" prefix="$2" closed="$3"
shift 3
mount --bind "$REPOSITORY" "$public"
mount -o remount,bind,ro "$public"
if [ -n "$closed" ]; then
    mount --bind "$prefix" "$prefix_seen"
    mount -t tmpfs -o mode=755 cyclone-test "$closed"
    mkdir -p "$prefix"
    mount --bind "$prefix_seen" "$prefix"
fi
cd "$public"
exec "$@"
"""
COMMANDS = """
umask 077
mkdir "$TMPDIR"
touch made-here 2>/dev/null && exit 3
python -m cyclone up && python -m cyclone status
code=$?
python -m cyclone down
exit $code
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every account may enter."""
    made = Path(tempfile.mkdtemp(prefix="cyclone-ordinary-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def find_closed(path: Path) -> str:
    """The outermost folder above `path` that other accounts may not enter. Empty if there is none."""
    closed = [each for each in path.parents if not each.stat().st_mode & 0o001]
    return str(closed[-1]) if closed else ""


@pytest.mark.slow  # a platform starts in half a minute
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can show a checkout at another path and change its account")
def test_an_ordinary_account_runs_the_platform_from_a_checkout_that_it_may_only_read(place: Path) -> None:
    public, own, prefix_seen = place / "public", place / "own ü", place / "python"
    for folder in (public, own, prefix_seen):
        folder.mkdir(mode=0o755)
    os.chown(own, int(NOBODY), int(NOBODY))
    prefix = Path(sys.base_prefix).resolve()
    variables = {
        "PATH": f"{public}/.venv/bin:{os.defpath}:/usr/sbin:/sbin",
        "PYTHONPATH": f"{public}:{public}/plugins",
        "TMPDIR": str(own / "tmp"),
        "CYCLONE_WORK_DIR": str(own / "work"),
        "LC_ALL": "C.UTF-8",
    }
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sh", "-c", COMMANDS]
    command = ["unshare", "--mount", "sh", "-c", SHOW, "sh", str(public), str(prefix), find_closed(prefix), *as_nobody]
    mounting = {"REPOSITORY": str(REPOSITORY), "prefix_seen": str(prefix_seen)}
    done = subprocess.run(command, env=variables | mounting, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bike_demand" in done.stdout
    assert done.stdout.endswith("Stopped.\n")
    assert {path.owner() for path in (own / "work").rglob("*")} == {"nobody"}
