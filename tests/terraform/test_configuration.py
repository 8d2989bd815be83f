"""The configuration is formatted, valid by the provider's schema, applies with a mocked provider, and is safe."""

import re
import subprocess

import pytest

from tests.terraform.conftest import EXAMPLES
from tests.terraform.harness.tool import SOURCE, TOOLS, Answer, Terraform

pytestmark = pytest.mark.terraform
SHELL = "modules/serving"
# What a literal secret looks like in a template: a word of its own beside a text of some length that is no reference.
LITERAL = re.compile(
    r"""(?ix) \b\w*(password|passwd|token|api_?key|private_key|secret_data)\w* \s* [=:] \s* "[^"$]{6,}"
    | postgresql://[^"$\s:]+:[^"$\s]+@ | -----BEGIN | \bAKIA[0-9A-Z]{16}\b | \bya29\. | \bAIza[\w-]{30}"""
)


def test_every_file_is_formatted(original: Terraform) -> None:
    answer = original.run(".", "fmt", "-check", "-recursive", "-diff")
    assert (answer.code, answer.text) == (0, "")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid(original: Terraform, answers: dict[str, Answer], example: str) -> None:
    answer = original.run(f"examples/{example}", "validate", "-no-color")
    assert answer.code == 0, answer.text


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_plans_and_applies(answers: dict[str, Answer], example: str) -> None:
    answer = answers[example]
    assert answer.code == 0, answer.text[-3000:]
    summary = next(line["test_summary"] for line in answer.read_lines() if line["type"] == "test_summary")
    assert (summary["status"], summary["passed"], summary["failed"]) == ("pass", 2, 0)


def test_what_cannot_work_is_refused(original: Terraform) -> None:
    original.prepare(".")
    answer = original.run(".", "test", "-no-color")
    assert answer.code == 0, answer.text
    assert "6 passed, 0 failed" in answer.text


def test_a_later_apply_leaves_a_release_alone(original: Terraform) -> None:
    answer = original.run(SHELL, "test", "-no-color")
    assert answer.code == 0, answer.text


def test_a_shell_that_takes_the_template_back_is_found(changed: Terraform) -> None:
    changed.edit(f"{SHELL}/main.tf", "ignore_changes = [template, traffic, client", "ignore_changes = [client")
    answer = changed.run(SHELL, "test", "-no-color")
    assert answer.code == 1
    assert "Terraform would replace the image of a release." in answer.text


def test_a_password_that_would_be_in_the_state_is_refused(changed: Terraform) -> None:
    changed.edit("modules/store/main.tf", "  password_wo         =", "  password            =")
    changed.prepare("examples/minimal")
    answer = changed.run("examples/minimal", "test", "-no-color")
    assert answer.code == 1
    assert "Invalid use of ephemeral value" in answer.text


def test_no_password_is_in_a_plan_or_a_state(answers: dict[str, Answer]) -> None:
    """The tests of the examples plant nine, and Terraform prints all that it plans and keeps."""
    for answer in answers.values():
        kinds = {line["type"] for line in answer.read_lines()}
        assert {"test_plan", "test_state"} <= kinds
        assert "planted-password" not in answer.text


def find_literals(text: str) -> list[str]:
    return [match[0] for match in LITERAL.finditer(text)]


def test_no_template_has_a_literal_secret() -> None:
    kinds = ("*.tf", "*.tftpl", "*.py", "*.md", "*.hcl")
    paths = [path for kind in kinds for path in SOURCE.rglob(kind) if ".terraform" not in path.parts]
    assert len(paths) > 40
    found = {str(path): find_literals(path.read_text()) for path in paths}
    planted = {path: words for path, words in found.items() if not path.endswith(".tftest.hcl")}
    assert {path: words for path, words in planted.items() if words} == {}


@pytest.mark.parametrize(
    "text",
    [
        'password_wo = "hunter2-hunter2"',
        'db_password: "abcdefgh"',
        'secret_data = "abcdefgh"',
        'value = "postgresql://cyclone:word@10.0.0.3/cyclone"',
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_a_literal_secret_is_found(text: str) -> None:
    assert find_literals(text) != []


def test_checkov_finds_nothing_that_is_not_explained_in_place() -> None:
    command = [str(TOOLS / "bin" / "checkov"), "-d", str(SOURCE), "--framework", "terraform", "secrets"]
    ran = subprocess.run(
        [*command, "--compact", "--quiet", "--skip-download"], capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stdout
    for path in SOURCE.rglob("*.tf"):
        for words in re.findall(r"checkov:skip=(.*)", path.read_text()):
            assert re.fullmatch(r"CKV2?_GCP_\d+:.{40,}", words), f"{path}: a skip without a reason: {words}"


def test_checkov_is_not_blind(changed: Terraform) -> None:
    changed.edit("modules/mlflow/main.tf", '  public_access_prevention    = "enforced"\n', "")
    command = [str(TOOLS / "bin" / "checkov"), "-f", str(changed.folder / "modules/mlflow/main.tf"), "--compact"]
    ran = subprocess.run([*command, "--quiet", "--skip-download"], capture_output=True, text=True, timeout=600)
    assert ran.returncode == 1
    assert "CKV_GCP_114" in ran.stdout
