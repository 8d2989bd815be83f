"""Writes into docs/grafana.md what each panel's question returned from the store of a running platform.

Run as `python -m grafana.trial.report` after `make demo KEEP=1`. It changes nothing in the store. It writes between two
marks of the page.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from cyclone.errors import CycloneError, PlatformError, StoreError
from cyclone.settings import read_settings
from grafana.trial.asking import NUMBER, Reply, ask, last, read_choices
from grafana.trial.expansion import Span, Variable
from grafana.trial.questions import Json, Question, list_board, read_boards
from local_platform.platform_record import PlatformRecord

PAGE = Path(__file__).resolve().parents[2] / "docs" / "grafana.md"
BEGIN, END = "<!-- made by grafana/trial/report.py: begin -->", "<!-- made by grafana/trial/report.py: end -->"
SPAN = (Path(__file__).parent / "report_span.sql").read_text()
INTRODUCTION = """\
What the questions returned from the store of a platform that ran. The model is `{model}`, and the time is
{since:%Y-%m-%d} to {until:%Y-%m-%d}. That is event time. What is measured from now, such as a silence, is by the
clock of the machine. Spans are in seconds and shares from 0 to 1, where a panel shows units. `make demo KEEP=1` and
then `python -m grafana.trial.report` make this part anew.
"""
ROWS, COLUMNS, CHARACTERS = 4, 9, 60
"""How much of an answer the page has: rows, columns, and characters of a cell."""


def main() -> None:
    """Ask, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m grafana.trial.report", description=__doc__)
    parser.add_argument("--dsn", help="the DSN of a store, by default that of the platform which runs in this checkout")
    try:
        text = write_report(parser.parse_args().dsn or find_running_store())
    except CycloneError as error:
        sys.exit(f"error: {error}")
    page = PAGE.read_text()
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{after}")


def find_running_store() -> str:
    """The DSN of the platform that runs in this checkout. Errors: `PlatformError` when none runs."""
    folder = read_settings().work_dir
    record = PlatformRecord.read(folder)
    if record is None or "postgres" not in record.list_running():
        raise PlatformError(
            f"no platform runs in {folder}. Run `make demo KEEP=1` first, or name a store: --dsn postgresql://…"
        )
    return record.store_dsn


def write_report(dsn: str) -> str:
    """The answers of a store, in Markdown: of its model with the most rows, for the whole time in which it answered.

    Errors: `StoreError` when the store cannot be asked, or no model has answered in it.
    """
    try:
        with closing(psycopg2.connect(dsn, options="-c default_transaction_read_only=on")) as raw:
            model, span = find_span(raw)
            boards = read_boards().items()
            told = [line for name, board in boards for line in describe_board(raw, name, board, model, span)]
    except psycopg2.Error as error:
        raise StoreError(
            f"the store cannot be asked: {str(error).strip()}. Is it up to date (`cyclone migrate`)?"
        ) from error
    return "\n".join([INTRODUCTION.format(model=model, since=span.since, until=span.until), *told])


def find_span(raw: Any) -> tuple[str, Span]:
    """The model to show and its time range, with the interval of a panel. Errors: `StoreError` without any row."""
    with raw, raw.cursor() as cursor:
        cursor.execute(SPAN)
        found = cursor.fetchone()
    if found is None:
        raise StoreError("no model has answered a row in this store: run `make demo KEEP=1`")
    model, since, until = found
    return model, last((until - since).days, until)


def describe_board(raw: Any, name: str, board: Json, model: str, span: Span) -> Iterator[str]:
    """The section of a board."""
    yield f"### {board['title'].removeprefix('Cyclone: ')}\n\n{board['description']}\n"
    questions = list(list_board(name, board))
    chosen = read_choices(raw, questions, span, {"model": Variable([model])})
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield f"**{panel['title']}.** {panel['description']}\n"
        for target in panel.get("targets", ()):
            question = Question("", name, target["format"], target["rawSql"])
            nothing = panel["fieldConfig"]["defaults"]["noValue"]
            yield from describe_answer(ask(raw, question, chosen, span), nothing)


def describe_answer(answer: Reply, nothing: str) -> Iterator[str]:
    """The newest rows of an answer as a table. Points are told by their last rows, other answers by their first.

    `nothing` is what the panel says without any row.
    """
    if not answer.rows:
        yield f"*{nothing}*\n"
        return
    rows = answer.rows[-ROWS:] if answer.columns[0] == "time" else answer.rows[:ROWS]
    places = [place for place, column in enumerate(answer.columns) if not column.endswith("_url")][:COLUMNS]
    yield format_row([answer.columns[place] for place in places])
    yield format_row(["---"] * len(places))
    yield from (format_row([read_time(answer, row, place) for place in places]) for row in rows)
    yield f"\n{len(answer.rows):,} rows.\n" if len(answer.rows) > ROWS else ""


def read_time(answer: Reply, row: Sequence[Any], place: int) -> Any:
    """A cell, which is a time where a series has seconds since 1970 in its column `time`."""
    is_epoch = answer.columns[place] == "time" and answer.kinds[place] == NUMBER
    return datetime.fromtimestamp(float(row[place]), UTC) if is_epoch else row[place]


def format_row(cells: Sequence[Any]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(format_cell(cell) for cell in cells)} |"


def format_cell(cell: Any) -> str:
    """A cell, short, and without what Markdown would read."""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M}"
    text = "" if cell is None else format_number(cell) if isinstance(cell, float) else str(cell)
    short = text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"
    for sign in "|<>_*":
        short = short.replace(sign, f"\\{sign}")
    return short


def format_number(number: float) -> str:
    """A number with four digits that count, or more in front of the point."""
    return f"{number:,.0f}" if abs(number) >= 10_000 else f"{number:.4g}"


if __name__ == "__main__":
    main()
