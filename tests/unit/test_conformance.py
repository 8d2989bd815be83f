"""The table of the stand-in beside Google Cloud: no field is missing, and every test that it names is there."""

import ast
from collections.abc import Iterator
from typing import Any

from google.cloud import run_v2
from google.protobuf.json_format import MessageToDict

from cyclone.sections import Serving
from releasing.revisions.deployment import Deployment
from releasing.revisions.template import RevisionWish, build_template
from tests.claims.documents import REPOSITORY

PAGE = REPOSITORY / "docs" / "cloud-run-conformance.md"
UNTESTED = "not tested, because "
FREE = ("template.labels", "template.containers.resources.limits")
"""Fields whose keys anybody chooses."""
FALSY = {"template.scaling.min_instance_count", "template.containers.resources.cpu_idle"}
"""Fields that a release sets to nothing, which no message shows."""
EVERYTHING = {
    "service_account": "serving@p.iam.gserviceaccount.com",
    "network": {"network": "n", "subnetwork": "s", "tags": ["t"]},
    "cloud_sql": ["p:r:store"],
    "secrets": {"A": "a"},
    "labels": {"team": "demand"},
    "timeout_seconds": 60,
    "startup_boost": True,
    "sidecars": [{"name": "proxy", "image": "i", "args": ["a"], "env": {"E": "1"}, "startup_port": 5432}],
}


def read_rows() -> list[list[str]]:
    """The cells of each row that has a test."""
    lines = [line.strip().strip("|").split("|") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in cells] for cells in lines if len(cells) == 5]
    return [cells for cells in rows if cells[4] not in ("test", "---")]


def list_paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict) and path not in FREE:
        for key, below in value.items():
            yield from list_paths(below, f"{path}.{key}")
    elif isinstance(value, list):
        for below in value:
            yield from list_paths(below, path)
    else:
        yield path


def is_there(test: str) -> bool:
    """Whether a cell names a test, as its file and its function."""
    name, _, function = test.partition(" ")
    path = REPOSITORY / name.strip("`")
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return function.startswith("test_") and function in {node.name for node in functions}


def test_every_row_has_a_test_that_is_there_or_says_why_it_has_none() -> None:
    rows = read_rows()
    assert len(rows) > 40
    tests = [cells[4] for cells in rows if not cells[4].startswith(UNTESTED)]
    assert [test for test in tests if not is_there(test)] == []
    assert [cells for cells in rows if not all(cells)] == []


def test_every_field_that_a_release_sets_has_a_row() -> None:
    wish = RevisionWish("bike-v1", "image", Serving(), {"K": "v"}, Deployment.model_validate(EVERYTHING))
    message = run_v2.RevisionTemplate.pb(build_template(None, wish))
    fields = {*list_paths(MessageToDict(message, preserving_proto_field_name=True), "template"), *FALSY}
    named = " ".join(cells[0] for cells in read_rows())
    assert sorted(field for field in fields if f"`{field}`" not in named) == []
