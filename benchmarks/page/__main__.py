"""What the page in Airflow costs: the fleet of 200 models, and each view of a model over a year, on ten million rows.

Postgres makes the rows, in a store of their own, with the story of `grafana/trial`. The other models are copies of its
second one. Each view is asked for through the app that Airflow serves, and the median of some rounds counts, with the
bytes that a browser gets. The goal is that none takes 300 ms, nor 150 KB.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import Mount

from benchmarks.figures import add_small, print_figures
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.page.app import Page
from grafana.trial.filling import World, execute, fill_store, refresh_statistics
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 365
MODELS = 200
GOAL_MS, GOAL_KB = 300, 150
"""A page that takes longer is felt as slow on top of Airflow's own, and a phone takes a second for so many bytes."""
ROUNDS = 5
"""How often each view is asked for. The median leaves out the first, which reads from disk."""
COPIES = Path(__file__).with_name("copies.sql")
VIEWS = {
    "fleet of 200": "/",
    "model, a year": "/models/demand?days=365",
    "model, a quarter": "/models/demand",
    "verdicts, a quarter": "/models/demand/verdicts?days=90",
    "a verdict and its bins": "/models/demand/verdicts?kind=drift&check=jensen_shannon&subject=weather"
    "&end=2026-03-01T00:00:00%2B00:00",
    "incident": "/models/demand/incidents/1",
    "log, a week": "/models/demand/log",
    "log, a year": "/models/demand/log?days=365",
}
"""The views by what the table calls them."""


class Cost(NamedTuple):
    """What one view costs: the median of its rounds, and the bytes that are sent, compressed."""

    view: str
    milliseconds: float
    kilobytes: float


class Everybody:
    """A user that may see and do everything, so that rights take no time."""

    async def find_user(self, request: Request) -> Any:
        return "bench"

    def name_user(self, user: Any) -> str:
        return str(user)

    def list_seen(self, user: Any) -> Collection[str]:
        return {"demand", "churn", *(f"copy_{number:03d}" for number in range(MODELS))}

    def may_see(self, user: Any, model: str) -> bool:
        return True

    def may_act(self, user: Any, model: str) -> bool:
        return True


def measure(rows: int, days: int, rounds: int) -> list[Cost]:
    """What each view costs, the slowest first."""
    with (
        temporary_state("bench-page") as folder,
        EmbeddedPostgres.start(folder / "postgres", free_port(0), ("bench",)) as postgres,
    ):
        store = Store(postgres.dsn("bench"), patience_seconds=1800)
        store.migrate()
        began = time.perf_counter()
        fill_store(store, World(rows, days, UNTIL, label_share=0.1))
        execute(store, COPIES.read_text(), copies=MODELS - 2)
        refresh_statistics(store)
        print(f"{rows:,} rows and {MODELS} models were made in {time.perf_counter() - began:.0f} s", flush=True)
        settings = Settings(store_dsn=store.dsn, clock="replay")
        return sorted(asyncio.run(measure_views(settings, rounds)), key=lambda cost: -cost.milliseconds)


async def measure_views(settings: Settings, rounds: int) -> list[Cost]:
    """What each view costs through the app, one after the other."""
    app = Starlette(
        routes=[Mount("/cyclone", Page(Everybody(), settings).build_app())],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000)],  # as Airflow's API server has it
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench/cyclone") as client:
        return [await measure_view(client, view, path, rounds) for view, path in VIEWS.items()]


async def measure_view(client: httpx.AsyncClient, view: str, path: str, rounds: int) -> Cost:
    """What one view costs. Errors: `HTTPStatusError` for one that is not answered."""
    milliseconds, size = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        async with client.stream("GET", path.removeprefix("/")) as answer:
            size = sum([len(part) async for part in answer.aiter_raw()])
        milliseconds.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
    return Cost(view, statistics.median(milliseconds), size / 1000)


def build_table(found: list[Cost], rows: int) -> Table:
    """Every view, the slowest first."""
    title = f"Cyclone's page in Airflow, {rows:,} logged rows, {MODELS} models"
    table = Table("view", "median", "transferred", title=title, title_justify="left")
    for cost in found:
        table.add_row(cost.view, f"{cost.milliseconds:.0f} ms", f"{cost.kilobytes:.0f} KB")
    return table


def main() -> int:
    """Measure, print the table, end with one line of JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="logged rows")
    add_small(parser)
    options = parser.parse_args()
    rows = 20_000 if options.small else options.rows
    found = measure(rows, days=30 if options.small else DAYS, rounds=2 if options.small else ROUNDS)
    Console(width=100).print(build_table(found, rows))
    by_view = {cost.view: cost for cost in found}
    figures = {
        "page_rows": rows,
        "page_fleet_ms": by_view["fleet of 200"].milliseconds,
        "page_fleet_kb": by_view["fleet of 200"].kilobytes,
        "page_model_ms": by_view["model, a year"].milliseconds,
        "page_model_kb": by_view["model, a year"].kilobytes,
        "page_slowest": found[0].view,
        "page_slowest_ms": found[0].milliseconds,
        "page_largest_kb": max(cost.kilobytes for cost in found),
        "page_goal_ms": GOAL_MS,
        "page_goal_kb": GOAL_KB,
    }
    print_figures(figures, is_small=options.small)
    return find_exit_code(found, is_small=options.small)


def find_exit_code(found: list[Cost], *, is_small: bool) -> int:
    """1 when a view costs more than a goal. Not so in a small run, whose figures mean nothing."""
    is_over = any(cost.milliseconds > GOAL_MS or cost.kilobytes > GOAL_KB for cost in found)
    return int(is_over and not is_small)


if __name__ == "__main__":
    sys.exit(main())
