"""The completion of commands in a shell, which Typer brings."""

import os
import subprocess
import sys
from pathlib import Path

CYCLONE = str(Path(sys.executable).with_name("cyclone"))


def complete(typed: str, *words: str) -> str:
    """What `cyclone` answers to Bash, or prints for the words."""
    environment = {
        **os.environ,
        "COMP_WORDS": typed,
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    if typed:
        environment["_CYCLONE_COMPLETE"] = "complete_bash"
    command = [CYCLONE, *words]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120).stdout


def test_the_printed_script_asks_the_command_and_the_command_completes() -> None:
    assert "_CYCLONE_COMPLETE=complete_bash" in complete("", "--show-completion", "bash")
    assert complete("cyclone repl").split() == ["replay"]
