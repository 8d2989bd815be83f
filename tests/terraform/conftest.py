"""The tests of terraform/ ask for the tools that `make check-terraform` installs."""

from pathlib import Path

import pytest

from tests.terraform.harness.tool import TOOLS, Answer, Terraform
from tests.terraform.mocked import Made

EXAMPLES = ("minimal", "production")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform on a copy of terraform/ that no test changes."""
    if not (TOOLS / ".ready").exists():
        pytest.fail(f"{TOOLS} is not there: `make check-terraform` installs Terraform and runs these tests")
    tool = Terraform.on_a_copy(tmp_path_factory.mktemp("terraform"))
    tool.run(".", "version")  # writes the schema
    return tool


@pytest.fixture
def changed(original: Terraform, tmp_path: Path) -> Terraform:
    """Terraform on a copy that the test may change."""
    return Terraform.on_a_copy(tmp_path, original)


@pytest.fixture(scope="session")
def answers(original: Terraform) -> dict[str, Answer]:
    """What the mocked tests of the examples printed, by example."""
    found = {}
    for example in EXAMPLES:
        original.prepare(f"examples/{example}")
        found[example] = original.run(f"examples/{example}", "test", "-json", "-verbose")
    return found


@pytest.fixture(params=EXAMPLES)
def made(request: pytest.FixtureRequest, answers: dict[str, Answer]) -> Made:
    """What one example makes, then the other."""
    return Made.read(answers[request.param])
