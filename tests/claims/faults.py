"""Everything that is wrong with a document, and with what our own sources say to people."""

import re
from collections.abc import Iterator

from tests.claims.commands import check_command, find_wrong_commands
from tests.claims.documents import REPOSITORY, Command, Document
from tests.claims.names import find_wrong_blocks, find_wrong_names
from tests.claims.references import (
    find_broken_links,
    find_missing_paths,
    find_unknown_variables,
    find_variables,
    list_variables,
)
from tests.claims.sources import SOURCES


def find_faults(document: Document) -> list[str]:
    """Everything in a document that is not so."""
    checks = (
        find_wrong_commands,
        find_wrong_names,
        find_wrong_blocks,
        find_missing_paths,
        find_broken_links,
        find_unknown_variables,
    )
    return [fault for check in checks for fault in check(document)]


def find_wrong_mentions(text: str) -> Iterator[str]:
    """Commands between backticks and files of ours in a source, `{…}` standing for any word."""
    for found in re.findall(r"`((?:make|cyclone|python -m|pytest) [^`\n]+)`|\[bold\](cyclone [^\[]+)\[/bold\]", text):
        words = re.sub(r"\{[^}]*\}", "1", "".join(found)).split()
        fault = check_command(Command(words, is_complete=False))
        if fault:
            yield f"`{' '.join(words)}`: {fault}"
    for path in re.findall(
        rf"(?<![\w/.}}])((?:{'|'.join((*SOURCES, 'docs', 'tests'))})/[\w/.-]+\.(?:md|py|sql|yaml))", text
    ):
        if not (REPOSITORY / path).exists():
            yield f"{path}: there is no such file"
    for name in sorted(find_variables(text) - list_variables()):
        yield f"{name}: nothing reads this variable"
