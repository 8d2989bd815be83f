"""Whatever the documents and `make help` tell to type, CI types it somewhere."""

import re
import tomllib
from itertools import chain

import pytest

from tests.claims.commands import list_commands, list_targets, read_makefile
from tests.claims.documents import REPOSITORY, Document, read_documents
from tests.claims.runs import AIRFLOW, CI, CYCLONE, MODULES, SETTINGS, TARGETS, Places, find_unrun
from tests.claims.sources import PACKAGES

HELP = Document(REPOSITORY / "Makefile", "\n".join(re.findall("## (.*)", read_makefile())))
COMMANDS = [command for document in read_documents() for command in document.commands]


def list_settings() -> set[str]:
    """The variables that documents and `make help` give to `make`."""
    words = chain(HELP.text.split(), *(command.words for command in COMMANDS if command.program == "make"))
    return {found[1] for word in words if (found := re.match(r"\W*([A-Z]+)=", word))}


def list_modules() -> set[str]:
    """Our modules that documents start by `python -m`."""
    started = [command.words[2] for command in COMMANDS if command.program == "python" and "-m" in command.words]
    return {name for name in started if name.split(".")[0] in PACKAGES}


DOCUMENTED = {
    "make": (list_targets(), TARGETS),
    "cyclone": ({name for name, _ in list_commands()}, CYCLONE),
    "python -m": (list_modules(), MODULES),
    "airflow": (
        {" ".join(item.words[1:3]) for item in COMMANDS if item.program == "airflow" and item.words[1:]},
        AIRFLOW,
    ),
    "make, settings": (list_settings(), SETTINGS),
}


@pytest.mark.parametrize(("commands", "places"), DOCUMENTED.values(), ids=DOCUMENTED)
def test_ci_runs_every_command(commands: set[str], places: Places) -> None:
    assert commands != set()
    assert find_unrun(commands, places) == []


def test_a_command_without_a_place_or_with_a_wrong_one_is_found() -> None:
    places = {
        "up": "tests/e2e/test_loop.py::platform",
        "gone": "tests/e2e/test_loop.py::platform",
        "sbom": f"{CI}: make bill",
        "keys add": "tests/e2e/test_loop.py::platform",
        "down": "tests/e2e/test_loop.py::no_such_function",
        "status": "tests/e2e/no_such_file.py::platform",
    }
    assert find_unrun({"up", "new", *places} - {"gone"}, places) == [
        "new: say in tests/claims/runs.py where CI runs it",
        "gone: nothing documents it any more",
        "gone: tests/e2e/test_loop.py::platform does not run it",
        "sbom: .ci/run: make bill does not run it",
        "keys add: tests/e2e/test_loop.py::platform does not run it",
        "down: tests/e2e/test_loop.py::no_such_function does not run it",
        "status: tests/e2e/no_such_file.py::platform does not run it",
    ]


def test_tests_that_make_test_leaves_out_are_run_by_ci() -> None:
    """`make test-fast` and `make test-faults` are then run by what runs all of their tests."""
    options = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    markers = {marker.partition(":")[0] for marker in options["markers"]}
    (left_out,) = re.findall(r'-m "not ([\w ]+)"', read_makefile())
    assert markers == set(left_out.split(" and not "))
    lines = read_makefile().splitlines() + (REPOSITORY / CI).read_text().splitlines()
    assert markers == {line.rpartition(" -m ")[2] for line in lines if "pytest" in line} & markers
