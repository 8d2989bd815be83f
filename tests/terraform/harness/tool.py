"""Terraform and checkov as the tests start them: without network, and against the schema of the Google provider."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.terraform.harness.google_schema import Bindings

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "terraform"
TOOLS = Path(sys.prefix) / "terraform"
"""The environment that `make check-terraform` installs."""
HARNESS = Path(__file__).parent
DECLARED = re.compile(r'^(resource|data)\s+"(google_\w+)"', re.MULTILINE)
# A command takes seconds. Ten minutes are a machine that does something else.
PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    text: str

    def read_lines(self) -> list[dict[str, Any]]:
        """The messages of a command with `-json`."""
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]


@dataclass(frozen=True)
class Terraform:
    """The `terraform` command on a copy of the folder, which a test may change."""

    folder: Path
    state: Path
    """The folder for the configuration of the command and for all that it keeps."""

    @classmethod
    def on_a_copy(cls, tmp_path: Path, schema_of: "Terraform | None" = None) -> "Terraform":
        """The command on a copy of terraform/ with the provider that knows only the schema.

        Reading the schema takes two seconds. So it is taken from `schema_of` where the same resources are declared.
        """
        shutil.copytree(SOURCE, tmp_path / "terraform")
        (tmp_path / "state").mkdir()
        tool = cls(tmp_path / "terraform", tmp_path / "state")
        tool._write_provider()
        for path in schema_of.state.glob("schema.*") if schema_of else ():
            shutil.copy(path, tool.state)
        return tool

    def run(self, example: str, *words: str, variables: Mapping[str, str] | None = None) -> Answer:
        """Run a command in a folder of the copy."""
        folder = self.folder / example
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.state),
            "TF_CLI_CONFIG_FILE": str(self.state / "terraform.rc"),
            "TF_DATA_DIR": str(self.state / "data" / example),
            "CHECKPOINT_DISABLE": "true",
            "GOOGLE_SCHEMA_FILE": str(self._write_schema()),
            **(variables or {}),
        }
        command = [str(TOOLS / "bin" / "python"), str(HARNESS / "terraform.py"), f"-chdir={folder}", *words]
        ran = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return Answer(ran.returncode, ran.stdout)

    def prepare(self, example: str) -> None:
        """Install the modules of a folder, which are folders beside it."""
        answer = self.run(example, "get", "-no-color")
        assert answer.code == 0, answer.text

    def edit(self, path: str, old: str, new: str) -> None:
        """Put another text in the place of one that a file has once."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path} has {text.count(old)} times: {old}"
        file.write_text(text.replace(old, new))

    def _write_schema(self) -> Path:
        """The schema of what the copy declares. It is read anew, because a test may have changed the copy."""
        found = {match.groups() for path in self.folder.rglob("*.tf") for match in DECLARED.finditer(path.read_text())}
        path = self.state / "schema.json"
        wanted = (
            sorted(name for kind, name in found if kind == "resource"),
            sorted(n for kind, n in found if kind == "data"),
        )
        digest = self.state / "schema.key"
        if not digest.exists() or digest.read_text() != repr(wanted):
            path.write_text(json.dumps(Bindings(find_bindings()).read(*wanted)))
            digest.write_text(repr(wanted))
        return path

    def _write_provider(self) -> None:
        program = self.state / "plugins" / "terraform-provider-google"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{TOOLS / "bin" / "python"}" "{HARNESS / "provider.py"}" "$@"\n')
        program.chmod(0o755)
        overrides = f'dev_overrides {{ "hashicorp/google" = "{program.parent}" }}'
        (self.state / "terraform.rc").write_text(f"provider_installation {{\n  {overrides}\n  direct {{}}\n}}\n")


def find_bindings() -> Path:
    """The archive of the bindings in the tools' environment."""
    return next(TOOLS.glob("lib/python3.*/site-packages/cdktn_provider_google/_jsii/*.tgz"))
