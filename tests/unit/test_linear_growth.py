"""Regular expressions and parsers that meet clients' bytes or files take time in proportion to their length.

Each is tried with texts that repeat one or two tokens of what it looks for, behind whatever opens a record or a text.
The slowest of them are then measured at doubling lengths.
"""

import ast
import asyncio
import gc
import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic_core import from_json
from starlette.requests import Request

from bento_service.bounds import find_excess
from bento_service.content import read_content
from bento_service.log.log_writer import read_head
from bento_service.log.spool import parse_records
from bento_service.log.spooled_rows import LogRow
from bento_service.request import RequestError, read_label_request, read_predict_request
from cyclone.alerts.payload import read_group
from cyclone.errors import AlertError, DataError
from cyclone.keys import KeyRing, add_key
from cyclone.rows.label_file import LabelFile
from cyclone.rows.validation import read_time
from cyclone.sections import Feature, Label, Serving
from cyclone.spec import ModelSpec
from tests.support.growth import build_texts, find_steep, measure_seconds
from training.data.history import read_history

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("cyclone", "training", "bento_service", "local_platform", "plugins", "dags", "models")
NOW = datetime(2026, 5, 1, tzinfo=UTC)
FUNCTIONS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}


@dataclass(frozen=True)
class Expression:
    """A regular expression as a module uses it."""

    where: str
    pattern: "re.Pattern[Any]"
    functions: frozenset[str]

    def run(self, text: str) -> None:
        content: Any = text if isinstance(self.pattern.pattern, str) else text.encode()
        for name in self.functions:
            found = getattr(self.pattern, name)(*([content[:0]] if name.startswith("sub") else []), content)
            if name == "finditer":
                list(found)


def find_expressions() -> Iterator[Expression]:
    """Every call of a function of `re` in our packages. Its pattern may be made of the module's constants."""
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            assert "re" not in {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}, path
            if "re" in imported:
                name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
                yield from _find_in_module(tree, importlib.import_module(name))


def _find_in_module(tree: ast.Module, module: ModuleType) -> Iterator[Expression]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and _is_of(node.func, "re")):
            continue
        arguments = ", ".join(ast.unparse(part) for part in node.args[:1])
        flags = [ast.unparse(part) for part in node.args[1:] if _is_of(part, "re")]
        pattern = eval(f"re.compile({', '.join([arguments, *flags])})", {**vars(module), "re": re})
        function = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        used = {function} if function != "compile" else _find_uses(tree, node)
        assert used & FUNCTIONS, f"{module.__name__}: {ast.unparse(node)} is compiled, but used elsewhere"
        yield Expression(f"{module.__name__} {arguments}", pattern, frozenset(used & FUNCTIONS))


def _find_uses(tree: ast.Module, compiled: ast.Call) -> set[str]:
    (name,) = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and node.value is compiled
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_of(node, name)}


def _is_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name


def find_tokens(pattern: "re.Pattern[Any]") -> tuple[set[str], str]:
    """The characters that a pattern names, and what it begins with."""
    parser: Any = importlib.import_module("re._parser")
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = parser.parse(text)
    tokens: set[str] = set()
    _gather(parsed, tokens)
    beginning = ""
    for operation, argument in parsed:
        if str(operation) != "LITERAL":
            break
        beginning += chr(argument)
    return tokens, beginning


def _gather(parsed: Any, tokens: set[str]) -> None:
    """Literals, both ends of ranges, one of each category. Whatever stands within something else as well."""
    if isinstance(parsed, tuple) and len(parsed) == 2 and str(parsed[0]) in ("LITERAL", "NOT_LITERAL"):
        tokens.add(chr(parsed[1]))
    elif isinstance(parsed, tuple) and len(parsed) == 2 and str(parsed[0]) == "RANGE":
        tokens.update(map(chr, parsed[1]))
    elif str(parsed) in ("CATEGORY_DIGIT", "CATEGORY_SPACE", "CATEGORY_WORD"):
        tokens.add({"DIGIT": "7", "SPACE": " ", "WORD": "w"}[str(parsed).removeprefix("CATEGORY_")])
    elif not isinstance(parsed, int | str) and parsed is not None:
        for part in list(parsed):
            _gather(part, tokens)


EXPRESSIONS = list(find_expressions())


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda expression: expression.where)
def test_no_regular_expression_backtracks(expression: Expression) -> None:
    tokens, beginning = find_tokens(expression.pattern)
    texts = build_texts({*tokens, "x"}, {beginning, *tokens} - {""}, ("\0",))
    assert find_steep(expression.run, texts) == {}


@pytest.mark.parametrize(
    ("pattern", "function"),
    [
        (r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", "fullmatch"),
        (r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', "sub"),
        (r"(a|b)+:(a|b)*;", "search"),
        (r"(x+)+y", "match"),
    ],
)
def test_a_pattern_that_backtracks_is_found(pattern: str, function: str) -> None:
    planted = Expression("planted", re.compile(pattern), frozenset({function}))
    tokens, _ = find_tokens(planted.pattern)
    (growth,) = find_steep(planted.run, build_texts(tokens, (), ("\0",))).values()
    assert growth > 12  # 16 or more, but for noise


def test_nothing_is_collected_while_a_time_is_measured() -> None:
    """A session's garbage takes the collector half a second: five times what the longest text takes."""
    seen: list[bool] = []
    measure_seconds(lambda _: seen.append(gc.isenabled()), "")
    assert (seen, gc.isenabled()) == ([False], True)


def test_the_expressions_are_found_where_they_are() -> None:
    found = {expression.where.split(" ")[0] for expression in EXPRESSIONS}
    assert {"bento_service.bounds", "cyclone.sections.monitoring", "local_platform.cloud_run.validation"} <= found
    assert not re.search(
        r"(?i)\s!?~\*?\s|regexp_|similar\s+to", "".join(map(read_statement, REPOSITORY.glob("sql/**/*.sql")))
    )


def read_statement(path: Path) -> str:
    """Without its comments."""
    return re.sub(r"--.*", "", path.read_text())


SPEC = ModelSpec(
    name="shop",
    task="regression",
    features=(
        Feature(name="hour", type="integer", range=(0, 23)),
        Feature(name="kind", type="category", values=("a", "b")),
        Feature(name="note", type="text"),
        Feature(name="share", type="number", nullable=True),
    ),
    label=Label(name="sold", type="number", range=(0, 9), expected_delay_hours=1),
    history="history.csv",
    serving=Serving(max_rows=10_000, accept_created_at=True),
)
JSON_TOKENS = (
    "[",
    "]",
    "{",
    "}",
    '"',
    "\\",
    ",",
    ":",
    "1",
    "-",
    ".",
    "e",
    "é",
    "\n",
    '"a":',
    "[]",
    "{},",
    "null,",
    '\\"',
)
CSV_TOKENS = (",", '"', "1", ".", "e", "-", "_", " ", "a", "é", "\r", "\n", "\0")
TIME_TOKENS = ("2", "-", ":", "T", "Z", "+", ".", ",", "W", " ")
ROWS, LABELS = '{"rows": [', '{"labels": ['
ALERTS, URL = '{"alerts": [', '{"alerts": [], "externalURL": "http://'
UNCLOSED = "[" * 12_000 + '"'
"""More lists than a request of 10,000 rows has, then a text: its brackets and commas do not count."""
ROW = '{"hour": 1, "kind": "a", "note": "x", "share": 0.5}'


def refuse(read: Callable[..., object], text: str) -> None:
    """Whatever is wrong with it."""
    try:
        read(SPEC, text.encode(), NOW)
    except RequestError as refusal:
        refusal.to_json()


def read_row(cells: str) -> None:
    refuse(read_predict_request, ROWS + cells + "]}")


def read_json(text: str) -> None:
    with suppress(ValueError):
        from_json(text.encode())


def read_chunks(text: str) -> None:
    """Every character comes alone."""
    chunks = [{"type": "http.request", "body": character.encode(), "more_body": True} for character in text]
    messages = iter([*chunks, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(messages)

    assert len(asyncio.run(read_content(Request({"type": "http", "headers": []}, receive)))) == len(text.encode())


def read_alerts(text: str) -> None:
    with suppress(AlertError):
        read_group(text.encode())


class Files:
    """Reads a text as a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_labels(self, text: str) -> None:
        path = self.folder / "labels.csv"
        path.write_bytes(b"id,label,observed_at\n" + text.encode() + b"\nlast,1,\n")
        assert list(LabelFile(path, SPEC.label))[-1].entry["id"] == "last"

    def read_history(self, text: str) -> None:
        path = self.folder / "history.csv"
        path.write_text("created_at,hour,kind,note,share,sold\n" + text, encoding="utf-8", newline="")
        with suppress(DataError):
            list(read_history(SPEC, self.folder))


def check_key(folder: Path) -> Callable[[str], object]:
    path = folder / "keys.json"
    if not path.exists():
        add_key(path, "predictor", ("predict",))
    return lambda text: KeyRing(path).check(text, "predict")


@dataclass(frozen=True)
class Parser:
    """What reads a text, the tokens that mean something to it, and what may stand before them."""

    make: Callable[[Path], Callable[[str], object]]
    tokens: tuple[str, ...]
    beginnings: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


PARSERS = {
    "chunks of a body": Parser(lambda _: read_chunks, ("a",)),
    "bounds of a body": Parser(
        lambda _: lambda text: find_excess(text.encode(), 10_000, 10), JSON_TOKENS, ('"', UNCLOSED)
    ),
    "JSON": Parser(lambda _: read_json, JSON_TOKENS, ('"', ROWS, "1")),
    "body of predict": Parser(
        lambda _: lambda text: refuse(read_predict_request, text),
        (*JSON_TOKENS, ROW, ROW + ","),
        ('"', UNCLOSED, ROWS, ROWS + '{"note": "', ROWS + '{"hour": '),
        ("{}]}", '"}]}'),
    ),
    "event time of a refused body": Parser(
        lambda _: lambda text: refuse(read_predict_request, text),
        (*JSON_TOKENS, '"2011-01-01T00:00Z",', "1,"),
        (UNCLOSED, '{"rows": [], "created_at": ['),
        ('""]}',),
    ),
    "body of labels": Parser(
        lambda _: lambda text: refuse(read_label_request, text),
        (*JSON_TOKENS, '{"id": "a", "label": 1},', '{"id": "", "label": "a", "observed_at": 1, "more": 1},'),
        ('"', UNCLOSED, LABELS, LABELS + '{"id": "', LABELS + '{"label": '),
        ("{}]}", '"}]}'),
    ),
    "body of a webhook": Parser(
        lambda _: read_alerts,
        (*JSON_TOKENS, '{"labels": {"cyclone": "note"}},', '"http://[@:/", '),
        ('"', UNCLOSED, ALERTS, ALERTS + "1.", ALERTS + '{"labels": {"alertname": "', ALERTS + '{"startsAt": "', URL),
        ("{}]}", '"}]}', '"}'),
    ),
    "time": Parser(lambda _: lambda text: read_time(text, NOW), TIME_TOKENS, ("2011-01-01T00:00:00.", "2011-01-01")),
    "file of labels": Parser(
        lambda folder: Files(folder).read_labels,
        (*CSV_TOKENS, "a,1,\n", "a,1,2011-01-01T00:00Z\n", 'a,"1\n'),
        ("a,", 'a,"'),
        ("x,",),
    ),
    "history": Parser(
        lambda folder: Files(folder).read_history,
        (*CSV_TOKENS, "2011-01-01,1,a,x,0.5,1\n"),
        ("2011-01-01,1,a,x,", '2011-01-01,1,a,"'),
        ("x,1\n",),
    ),
    "Authorization": Parser(check_key, ("Bearer", " ", "=", ",", "a", '"', "\t"), ("Bearer ",)),
    "head of a logged row": Parser(
        lambda _: lambda text: read_head(LogRow(text, NOW, 1.0, "{}", "1").to_line(1).encode()), JSON_TOKENS
    ),
    "records of a spool": Parser(
        lambda _: lambda text: list(parse_records(text.encode("latin-1"))), ("\0", "\1", "\xff", "a", "\n")
    ),
}


@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_takes_longer_than_in_proportion(name: str, tmp_path: Path) -> None:
    parser = PARSERS[name]
    texts = build_texts(parser.tokens, parser.beginnings, parser.ends)
    assert find_steep(parser.make(tmp_path), texts) == {}
