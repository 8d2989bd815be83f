"""What Grafana's questions cost: each question of boards and rules, over a year, on ten million logged rows.

Postgres makes the rows, in a store of their own, with the story of `grafana/trial`. Each question is asked as the role
that Grafana has, and the median of some rounds counts. The goal is that none takes 200 ms.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks.figures import add_small, print_figures
from cyclone.grafana.access import connect_grafana
from cyclone.store import Store
from grafana.trial.asking import ask, last, read_choices
from grafana.trial.expansion import Variable
from grafana.trial.filling import World, fill_store
from grafana.trial.questions import Question, list_questions
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 365
GOAL_MS = 200
"""A person notices a panel that takes longer, and a board asks ten at a time."""
ROUNDS = 5
"""How often each question is asked. The median leaves out the first, which reads from disk."""
PASSWORD = "of a store that lives for minutes"
LABEL_SHARE = 0.1
"""The share of rows with a label. Errors are rolled up by hour, so more labels would only take longer to make."""
SHOWN = 15
"""How many questions the table has, the slowest first."""


def measure(rows: int) -> list[tuple[Question, float, int]]:
    """Every question with its median milliseconds and its number of rows, the slowest first."""
    with (
        temporary_state("bench-grafana") as folder,
        EmbeddedPostgres.start(folder / "postgres", free_port(0), ("bench",)) as postgres,
    ):
        store = Store(postgres.dsn("bench"))
        store.migrate()
        began = time.perf_counter()
        fill_store(store, World(rows, DAYS, UNTIL, LABEL_SHARE))
        print(f"{rows:,} rows were made and rolled up in {time.perf_counter() - began:.0f} s", flush=True)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        connect_grafana(store, secret, {})
        return measure_questions(store.dsn)


def measure_questions(dsn: str) -> list[tuple[Question, float, int]]:
    """The medians of all questions, asked one after the other."""
    raw = psycopg2.connect(dsn, user="cyclone_grafana", password=PASSWORD)
    questions = list_questions()
    found = [measure_question(raw, questions, question) for question in questions]
    raw.close()
    return sorted(found, key=lambda item: -item[1])


def measure_question(raw: Any, questions: Sequence[Question], question: Question) -> tuple[Question, float, int]:
    """One question over a year, with every version, feature and slice chosen, which is the most that it can ask."""
    span = last(DAYS, UNTIL)
    of_board = [item for item in questions if item.board == question.board]
    chosen = read_choices(raw, of_board, span, {"model": Variable(["demand"])})
    milliseconds, rows = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        rows = len(ask(raw, question, chosen, span).rows)
        milliseconds.append(1000 * (time.perf_counter() - began))
    return question, statistics.median(milliseconds), rows


def build_table(found: Sequence[tuple[Question, float, int]], rows: int) -> Table:
    """The slowest questions."""
    title = f"Grafana's questions over {DAYS} days, {rows:,} logged rows: the {SHOWN} slowest of {len(found)}"
    table = Table("question", "median", "rows", title=title, title_justify="left")
    for question, milliseconds, count in found[:SHOWN]:
        table.add_row(question.place, f"{milliseconds:.0f} ms", f"{count:,}")
    return table


def main() -> int:
    """Measure, print the table, end with one line of JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="logged rows")
    add_small(parser)
    options = parser.parse_args()
    rows = 20_000 if options.small else options.rows
    found = measure(rows)
    Console(width=140).print(build_table(found, rows))
    slowest, milliseconds, _ = found[0]
    figures = {
        "grafana_rows": rows,
        "grafana_questions": len(found),
        "grafana_slowest": slowest.place,
        "grafana_slowest_ms": milliseconds,
        "grafana_median_ms": statistics.median(item[1] for item in found),
        "grafana_goal_ms": GOAL_MS,
        "grafana_over_goal": sum(item[1] > GOAL_MS for item in found),
    }
    print_figures(figures, is_small=options.small)
    return find_exit_code(milliseconds, is_small=options.small)


def find_exit_code(slowest_ms: float, *, is_small: bool) -> int:
    """1 when a question takes longer than the goal. Not so in a small run, whose figures mean nothing."""
    return int(slowest_ms > GOAL_MS and not is_small)


if __name__ == "__main__":
    sys.exit(main())
