"""The commands that a document gives, and what of them the Makefile, the real parser or a module does not know."""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

from cyclone.__main__ import app
from tests.claims.documents import REPOSITORY, Command, Document
from tests.claims.sources import PACKAGES, find_module, read_sources

PLACEHOLDERS = {"MODEL": "bike_demand", "VERSION": "1"}
"""Words of the documents that stand for what a person would write there."""
FOREIGN_OPTIONS = {"--user", "--dag-run-conf"}
"""Of Docker and of Airflow."""
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Where typer has it differs between its versions."""


@cache
def read_makefile() -> str:
    return (REPOSITORY / "Makefile").read_text()


def list_targets() -> set[str]:
    """The targets that `make help` shows."""
    return set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", read_makefile(), re.MULTILINE))


@cache
def build_command_line() -> Any:
    """The whole `cyclone` command with what the other packages add to it, as its parser."""
    before = dict(os.environ)
    for entry in entry_points(group="cyclone.commands"):
        entry.load()(app)
    os.environ.clear()  # of the addresses of a platform that runs here: no test shall find it
    os.environ.update(before)
    return typer.main.get_command(app)


def list_commands(command: Any = None, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command of `cyclone` by its name, `keys add`, with its parser."""
    command = command or build_command_line()
    if not hasattr(command, "commands"):
        yield " ".join(names), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from list_commands(inner, (*names, name))


def find_wrong_commands(document: Document) -> Iterator[str]:
    for command in document.commands:
        fault = check_command(command)
        if fault:
            yield f"`{' '.join(command.words)}`: {fault}"


def check_command(command: Command) -> str | None:
    """What is wrong with a command of ours. Somebody else's commands are not checked."""
    arguments = command.words[1:]
    match command.program:
        case "make":
            return check_make(arguments)
        case "cyclone":
            return check_cyclone(arguments, is_complete=command.is_complete)
        case "python" if arguments[:1] == ["-m"]:
            return check_module(arguments[1], arguments[2:])
        case "pytest":
            missing = [word for word in arguments if "/" in word and not (REPOSITORY / word).exists()]
            return f"there is no {missing[0]}" if missing else None
    return None


def check_make(words: Iterable[str]) -> str | None:
    for word in words:
        name, is_variable, _ = word.partition("=")
        if is_variable and f"$({name})" not in read_makefile():
            return f"the Makefile asks for no {name}"
        if not is_variable and name not in list_targets():
            return f"the Makefile has no target {name}"
    return None


def check_cyclone(words: list[str], *, is_complete: bool) -> str | None:
    """Whether the real parser takes the words. `[…]` around what may be left out is dropped."""
    command, rest = build_command_line(), [word.strip("[]") for word in words]
    while hasattr(command, "commands") and rest and rest[0] != "--help":
        if rest[0] not in command.commands:
            return f"there is no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    if "--help" in rest or (not rest and not is_complete):
        return None
    try:
        command.make_context(command.name, [PLACEHOLDERS.get(word, word) for word in rest])
    except UsageError as error:
        return str(error)
    return None


def check_module(name: str, words: list[str]) -> str | None:
    """Whether `python -m name` finds the module, and its source the options."""
    spec = find_module(f"{name}.__main__") or find_module(name)
    if spec is None:
        return f"there is no module {name}"
    if name.split(".")[0] not in PACKAGES:
        return None
    path = Path(str(spec.origin))
    unknown = [word for word in words if word.startswith("--") and f'"{word}"' not in path.read_text()]
    return f"{name} has no option {unknown[0]}" if unknown else None


@cache
def list_options() -> set[str]:
    """Of `cyclone`, and of what else is started from a terminal."""
    commands = [build_command_line(), *(command for _, command in list_commands())]
    options = {option for command in commands for parameter in command.params for option in parameter.opts}
    return options | set(re.findall(r'add_argument\("(--[a-z-]+)"', read_sources())) | FOREIGN_OPTIONS
