"""The Markdown documents of this repository as what they say: code, commands, links and headings."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).resolve().parents[2]
SHELLS = {"", "bash", "console", "sh", "shell"}
"""Languages of code blocks whose lines are commands, or what they print."""
STARTERS = {"$", ".ci/container-engine"}
"""Words before a command that belong to no command."""
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Command:
    """The words of one command. In a sentence it may be named without its arguments, then it is not complete."""

    words: list[str]
    is_complete: bool

    @property
    def program(self) -> str:
        return self.words[0].removeprefix(".venv/bin/")


@dataclass(frozen=True)
class Document:
    """One Markdown file, or a text as if it stood at `path`."""

    path: Path
    text: str

    @cached_property
    def _tokens(self) -> list[Token]:
        """Blocks and what is inside of them, in order."""
        tokens = MARKDOWN.parse(self.text)
        return [item for token in tokens for item in (token, *(token.children or []))]

    @property
    def spans(self) -> list[str]:
        """Code within sentences, its line breaks made spaces."""
        return [" ".join(token.content.split()) for token in self._tokens if token.type == "code_inline"]

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """Language and text of each block of code."""
        return [(token.info.strip(), token.content) for token in self._tokens if token.type in ("fence", "code_block")]

    @property
    def links(self) -> list[str]:
        """Where links and images lead."""
        attributes = {"link_open": "href", "image": "src"}
        return [str(token.attrGet(attributes[token.type])) for token in self._tokens if token.type in attributes]

    @property
    def anchors(self) -> set[str]:
        """The names of the headings, as GitHub makes them."""
        after = zip(self._tokens, self._tokens[1:], strict=False)
        headings = [text.content for token, text in after if token.type == "heading_open"]
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    @property
    def commands(self) -> Iterator[Command]:
        for span in self.spans:
            for words in split_commands(span):
                yield Command(words, is_complete=False)
        for language, text in self.blocks:
            if language in SHELLS:
                for line in list_command_lines(text):
                    yield from (Command(words, is_complete=True) for words in split_commands(line))


def read_documents() -> list[Document]:
    """Every Markdown file of the project: beside the README, of the docs, of the models, of Terraform."""
    paths = [*REPOSITORY.glob("*.md")]
    for folder in ("docs", "models", "terraform"):
        paths += (REPOSITORY / folder).rglob("*.md")
    return [Document(path, path.read_text()) for path in sorted(paths)]


def list_command_lines(text: str) -> list[str]:
    """The lines of a block of code, long ones joined. Where some have a prompt, the others are what was printed."""
    lines = text.replace("\\\n", " ").splitlines()
    asked = [line for line in lines if line.startswith("$ ")]
    return asked or lines


def split_commands(text: str) -> Iterator[list[str]]:
    """The words of each command in a text, without what stands before it: a prompt, variables, a starter."""
    for inner in re.findall(r"\$\((.*?)\)", text):
        yield from split_commands(inner)
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # prose, or what a command printed
        words = text.split()
    while words and (words[0] in STARTERS or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    if words:
        yield words
