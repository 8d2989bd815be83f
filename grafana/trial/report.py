"""Writes into docs/grafana.md what each panel's question returned from a filled store.

Run as `python -m grafana.trial.report`. It takes a minute, and writes between two marks.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import psycopg2

from cyclone.grafana.access import connect_grafana
from cyclone.store import Store
from grafana.trial.asking import Reply, ask, last, read_choices
from grafana.trial.expansion import Variable
from grafana.trial.filling import World, fill_store
from grafana.trial.questions import Json, Question, list_board, read_boards
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "grafana.md"
BEGIN, END = "<!-- made by grafana/trial/report.py: begin -->", "<!-- made by grafana/trial/report.py: end -->"
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 30
ROWS, COLUMNS, CHARACTERS = 4, 9, 60
"""How much of an answer the page has: rows, columns, and characters of a cell."""


def main() -> None:
    """Fill a store, ask, and write the page."""
    with (
        temporary_state("grafana-report") as folder,
        EmbeddedPostgres.start(folder / "postgres", free_port(0), ("report",)) as postgres,
    ):
        store = Store(postgres.dsn("report"))
        store.migrate()
        fill_store(store, World(24_000, 400, UNTIL))
        secret = folder / "password"
        password = token_urlsafe()
        secret.write_text(password)
        connect_grafana(store, secret, {})
        raw = psycopg2.connect(store.dsn, user="cyclone_grafana", password=password)
        text = "\n".join(line for name, board in read_boards().items() for line in describe_board(raw, name, board))
        raw.close()
    page = PAGE.read_text()
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{after}")


def describe_board(raw: Any, name: str, board: Json) -> Iterator[str]:
    """The section of a board."""
    yield f"### {board['title'].removeprefix('Cyclone: ')}\n\n{board['description']}\n"
    questions = list(list_board(name, board))
    chosen = read_choices(raw, questions, last(DAYS, UNTIL), {"model": Variable(["demand"])})
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield f"**{panel['title']}.** {panel['description']}\n"
        for target in panel.get("targets", ()):
            question = Question("", name, target["format"], target["rawSql"])
            yield from describe_answer(ask(raw, question, chosen, last(DAYS, UNTIL)))


def describe_answer(answer: Reply) -> Iterator[str]:
    """The newest rows of an answer as a table. Points are told by their last rows, other answers by their first."""
    rows = answer.rows[-ROWS:] if answer.columns[0] == "time" else answer.rows[:ROWS]
    places = [place for place, column in enumerate(answer.columns) if not column.endswith("_url")][:COLUMNS]
    yield format_row([answer.columns[place] for place in places])
    yield format_row(["---"] * len(places))
    yield from (format_row([row[place] for place in places]) for row in rows)
    yield f"\n{len(answer.rows):,} rows.\n" if len(answer.rows) > ROWS else ""


def format_row(cells: Sequence[Any]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(format_cell(cell) for cell in cells)} |"


def format_cell(cell: Any) -> str:
    """A cell, short, and without what Markdown would read."""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC):%Y-%m-%d %H:%M}"
    text = "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
    short = text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"
    for sign in "|<>_*":
        short = short.replace(sign, f"\\{sign}")
    return short


if __name__ == "__main__":
    main()
