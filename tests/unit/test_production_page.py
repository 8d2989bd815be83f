"""docs/production.md says of each command whether a test runs it, or an account is needed."""

import re

import pytest

from tests.claims.documents import REPOSITORY
from tests.claims.runs import AIRFLOW, CYCLONE, TARGETS

MARKS = {"(tested)", "(account)"}
SHELL = {"set", "cd", "export"}


def find_unmarked(text: str) -> list[str]:
    """The blocks of commands without a mark before them, and commands that are marked as tested and run by no test."""
    found = []
    for before, block in re.findall(r"((?:[^\n]+\n)+)\n```\n(.*?)```", text, re.DOTALL):
        marks = re.findall(r"\*\*(\(\w+\))\*\*", before)
        if not marks or marks[-1] not in MARKS:
            found.append(f"no mark: {block.splitlines()[0]}")
        elif marks[-1] == "(tested)":
            found += [f"not tested: {line}" for line in block.splitlines() if not is_run(line)]
    return found


def is_run(line: str) -> bool:
    words = re.sub(r"^([A-Z_]+=\S+ )+", "", line).split()
    if words[0] == "make":
        return words[1] in TARGETS
    if words[0] in ("cyclone", "airflow"):
        places = CYCLONE if words[0] == "cyclone" else AIRFLOW
        return any(" ".join(words[1 : 1 + count]) in places for count in (1, 2))
    return words[0] in SHELL


def test_every_command_is_run_by_a_test_or_marked_as_needing_an_account() -> None:
    text = (REPOSITORY / "docs" / "production.md").read_text()
    assert text.count("```") >= 20
    assert find_unmarked(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Do it:\n\n```\ncyclone status\n```\n", ["no mark: cyclone status"]),
        ("Do it. **(tested)**\n\n```\ngcloud run\n```\n", ["not tested: gcloud run"]),
        ("Do it. **(tested)**\n\n```\nmake nothing\ncyclone status\n```\n", ["not tested: make nothing"]),
        ("Do it. **(account)**\n\n```\ngcloud run\n```\n", []),
    ],
)
def test_a_command_without_a_mark_or_a_test_is_found(text: str, found: list[str]) -> None:
    assert find_unmarked(text) == found
