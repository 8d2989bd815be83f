"""What the documents say is so: commands, names, paths, links and variables are looked up where they are defined."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cyclone.__main__ import app
from tests.claims.commands import list_commands, list_targets, read_makefile
from tests.claims.documents import REPOSITORY, Document, read_documents
from tests.claims.faults import find_faults, find_wrong_mentions
from tests.claims.names import find_key_faults
from tests.claims.references import find_variables, list_variables
from tests.claims.sources import read_sources

DOCUMENTS = read_documents()
KEYS = REPOSITORY / "docs" / "bring-a-model.md"
WRONG = {
    "a target": ("`make dmeo`", "the Makefile has no target dmeo"),
    "a variable of the Makefile": ("`make demo DAY=3`", "the Makefile asks for no DAY"),
    "a command": ("Then `cyclone rolback` helps.", "there is no command rolback"),
    "a command of a group": ("`cyclone keys\nremove gateway`", "there is no command remove"),
    "an option": ("    cyclone backtest bike_demand --form 2011-02-01\n", "No such option: --form"),
    "an argument too few": ("```\n$ cyclone keys add\nthe key\n```", "Missing parameter: name"),
    "an argument too many": ("```bash\ncyclone up now\n```", "unexpected extra argument"),
    "a value": ("`cyclone rollback MODEL --to NEWEST`", "valid integer"),
    "a command within another": ('`eval "$(cyclone enviroment)"`', "there is no command enviroment"),
    "a command after a starter": (
        "    .ci/container-engine make test-podman\n",
        "the Makefile has no target test-podman",
    ),
    "a module": ("`python -m benchmarks.sevring`", "there is no module benchmarks.sevring"),
    "an option of a module": ("`python -m benchmarks.serving --round 2`", "benchmarks.serving has no option --round"),
    "a test": ("`pytest tests/sql/test_no.py`", "there is no tests/sql/test_no.py"),
    "an option alone": ("`--becuase TEXT`", "no command has this option"),
    "a function": ("`cyclone.checks.verdicts.jugde`", "is neither a module, nor"),
    "a key": ("`retrain.cool_down_days`", "model.yaml has no such key"),
    "a key with its value": ("`gate_rul: prove`", "model.yaml has no key gate_rul"),
    "an example of keys": ("    retrain: {error: {limits: 1.3}}\n", "Extra inputs are not permitted"),
    "an import": ("```python\nfrom cyclone_airflow.health import hold_asset\n```", "there is no hold_asset"),
    "a path": ("`sql/checks/<kind>/nothing.sql`", "there is no such file or folder"),
    "a link": ("[here](no-page.md)", "there is no no-page.md"),
    "an anchor": ("[here](clients.md#bearer-key)", "clients.md has no heading for #bearer-key"),
    "an anchor of the page": ("# One\n[here](#two)", "page.md has no heading for #two"),
    "a picture": ("![how](images/no.png)", "there is no images/no.png"),
    "a variable": ("`CYCLONE_STORE_DNS`", "nothing reads this variable"),
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(item.path.relative_to(REPOSITORY)) for item in DOCUMENTS])
def test_everything_that_a_document_names_is_there(document: Document) -> None:
    assert find_faults(document) == []


@pytest.mark.parametrize(("text", "fault"), WRONG.values(), ids=WRONG)
def test_what_is_not_there_is_found(text: str, fault: str) -> None:
    found = find_faults(Document(REPOSITORY / "docs" / "page.md", text))
    assert [item for item in found if fault in item] != [], found


def test_what_is_there_is_no_fault() -> None:
    lines = [
        "cyclone backtest bike_demand [--policy other.yaml] [--from 2011-02-01] [--store]",
        "cyclone retrain MODEL --because 'it is time'   # a comment",
        "airflow dags list",
        "CYCLONE_IMAGE_REPOSITORY=localhost:5000/cyclone make base-image",
    ]
    text = "# A page\n\n" + "".join(f"    {line}\n" for line in lines) + "\n[up](#a-page), `cyclone log`, `make`\n"
    assert find_faults(Document(REPOSITORY / "docs" / "page.md", text)) == []


def test_the_documents_are_read() -> None:
    names = {item.path.name for item in DOCUMENTS}
    assert {"README.md", "bring-a-model.md", "0004-rollups.md"} <= names
    commands = {" ".join(command.words) for item in DOCUMENTS for command in item.commands}
    assert {"make demo", "cyclone keys add gateway --scope predict", "cyclone env"} <= commands


def test_the_table_of_keys_has_every_key_of_model_yaml_and_no_other() -> None:
    text = KEYS.read_text()
    assert list(find_key_faults(Document(KEYS, text))) == []
    wrong = text.replace("`.half_life_days`", "`.halving_days`").replace("`nullable`", "nulls")
    assert list(find_key_faults(Document(KEYS, wrong))) == [
        "`features`: its nullable is not documented",
        "`retrain.half_life_days`: is not documented",
        "`retrain.halving_days`: model.yaml has no such key",
    ]


def test_every_variable_that_is_read_is_documented() -> None:
    documented = set().union(*(find_variables(item.text) for item in DOCUMENTS))
    assert list_variables() - documented == set()
    assert {"CYCLONE_STORE_DSN", "CYCLONE_PROXY_TARGET"} <= list_variables()


def test_commands_and_files_that_our_messages_and_comments_name_are_there() -> None:
    assert list(find_wrong_mentions(read_sources())) == []


def test_a_message_that_names_what_is_not_there_is_found() -> None:
    text = 'f"start it with `make upp`, or `cyclone labels laod {file}`; see docs/no.md and CYCLONE_NO"'
    assert list(find_wrong_mentions(text)) == [
        "`make upp`: the Makefile has no target upp",
        "`cyclone labels laod 1`: there is no command laod",
        "docs/no.md: there is no such file",
        "CYCLONE_NO: nothing reads this variable",
    ]


def test_make_help_shows_every_target_with_variables_that_the_makefile_asks_for() -> None:
    shown = subprocess.run(["make", "--silent", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert set(lines) == list_targets()
    assert set(lines) == set(read_makefile().partition(".PHONY: ")[2].splitlines()[0].split())
    for line in lines.values():
        assert find_faults(Document(REPOSITORY / "Makefile", line)) == []
        for name in find_settings(line):
            assert f"$({name})" in read_makefile()


def find_settings(line: str) -> set[str]:
    """The variables that a line of help gives a value: `KEEP=1`."""
    return {word.partition("=")[0].strip("(`") for word in line.split() if "=" in word}


@pytest.mark.parametrize("name", [name for name, _ in list_commands()])
def test_every_command_says_what_it_does(name: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"CYCLONE_WORK_DIR": str(tmp_path)})
    assert shown.exit_code == 0, shown.output
    command = dict(list_commands())[name]
    assert (command.help or "").strip() != ""
    assert [item.name for item in command.params if not item.help] == []
