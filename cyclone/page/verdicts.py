"""The verdicts of a model: a grid of check and day, and the numbers of one cell with the bins of its feature."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from cyclone.page.model import Visit, read_known, render_view
from cyclone.page.period import Period
from cyclone.store import Store
from cyclone.times import DAY

Row = Mapping[str, Any]
DEFAULT_DAYS = 30
"""A month of cells fits a laptop's screen."""
MOST_DAYS = 92
"""The most days of a grid. A year of cells would be a page of megabytes that nobody can look over."""
ROWS_SHOWN = 40
"""The most rows of a grid. Of a wide model those that failed most are shown, unless all are asked for."""
MARKS = {"passed": ("✓", "good"), "failed": ("✕", "bad"), "no_data": ("?", "none")}
"""The sign and the colour of each verdict. The sign says the same to whoever sees no colours."""
PRESETS = (14, 30, 90)
MOST_ANSWERED = 20
"""How many rows behind a cell are listed. They are where to begin, and `cyclone explain` tells the rest."""
MOST_BINS = 60
"""The most bins of a feature that are shown. A category may have thousands of values."""


@dataclass(frozen=True)
class Cell:
    """The verdict of one check and subject on one day. `query` leads to its numbers."""

    day: datetime
    verdict: str
    query: str
    is_chosen: bool

    @property
    def sign(self) -> str:
        return MARKS[self.verdict][0]

    @property
    def tone(self) -> str:
        return MARKS[self.verdict][1]


@dataclass(frozen=True)
class GridRow:
    """One check and subject. `cells` has one entry a day of the period, None where nothing was judged."""

    kind: str
    check_name: str
    subject: str
    cells: Sequence[Cell | None]

    @property
    def failed(self) -> int:
        return sum(cell is not None and cell.verdict == "failed" for cell in self.cells)

    @property
    def newest(self) -> Cell | None:
        return next((cell for cell in reversed(self.cells) if cell), None)


@dataclass(frozen=True)
class Choice:
    """The cell that an address names. `window_end` is the end of the window that was judged."""

    kind: str
    check_name: str
    subject: str
    window_end: datetime


def show_verdicts(store: Store, model: str, visit: Visit) -> str:
    """The HTML of a model's verdicts. Errors: `ConfigurationError` for a model that was never monitored."""
    with store.connected() as kept:
        known = read_known(kept, model)
        period = shorten(visit.read_period(known["present"], str(DEFAULT_DAYS)))
        chosen = read_choice(visit.query)
        rows = kept.fetch("page/verdict_days", model=model, since=period.since, until=period.until)
        found = kept.fetch("page/verdict", model=model, **vars(chosen)) if chosen else []
        bins = _read_bins(kept, model, chosen, found) if chosen else []
        answered = _read_rows(kept, model, found) if found and "rows" in visit.query else None
    grid = build_grid(period, rows, chosen)
    shown = grid if "all" in visit.query else sorted(grid, key=lambda row: -row.failed)[:ROWS_SHOWN]
    names = {(row.kind, row.check_name, row.subject) for row in shown}
    return render_view(
        "verdicts",
        visit,
        model,
        period=period,
        presets=PRESETS,
        days=period.list_days(),
        rows=[row for row in grid if (row.kind, row.check_name, row.subject) in names],
        row_count=len(grid),
        chosen=chosen,
        found=found,
        answered=answered,
        most_answered=MOST_ANSWERED,
        cell_query=name_cell(period.query, chosen) if chosen else "",
        bins=bins[:MOST_BINS],
        bin_count=len(bins),
        most=max((max(row["served_share"] or 0, row["reference_share"] or 0) for row in bins), default=0) or 1,
    )


def shorten(period: Period) -> Period:
    """The newest part of a period that a grid can show."""
    if period.length <= MOST_DAYS * DAY:
        return period
    days = MOST_DAYS if period.days else None
    return replace(period, since=period.until - MOST_DAYS * DAY, days=days)


def read_choice(query: Mapping[str, str]) -> Choice | None:
    """The cell that an address names. None when it names none, or a time that cannot be read."""
    try:
        end = datetime.fromisoformat(query["end"])
        chosen = Choice(query["kind"], query["check"], query["subject"], end)
    except (KeyError, ValueError):
        return None
    texts = (chosen.kind, chosen.check_name, chosen.subject)
    return chosen if end.tzinfo is not None and not any("\0" in text for text in texts) else None


def build_grid(period: Period, rows: Sequence[Row], chosen: Choice | None) -> list[GridRow]:
    """One row a check and subject, with a cell for each day of the period."""
    grid, days, query = [], period.list_days(), period.query
    for name, group in groupby(rows, key=lambda row: (row["kind"], row["check_name"], row["subject"])):
        by_day = {row["day"]: _build_cell(query, row, chosen) for row in group}
        grid.append(GridRow(*name, [by_day.get(day) for day in days]))
    return grid


def _build_cell(query: str, row: Row, chosen: Choice | None) -> Cell:
    own = Choice(row["kind"], row["check_name"], row["subject"], row["window_end"])
    return Cell(row["day"], row["verdict"], name_cell(query, own), own == chosen)


def name_cell(query: str, cell: Choice) -> str:
    """The part of an address that leads to a cell, and keeps the period that `query` names."""
    named = {"kind": cell.kind, "check": cell.check_name, "subject": cell.subject, "end": cell.window_end.isoformat()}
    return f"{query}&{urlencode(named)}"


def _read_rows(store: Store, model: str, found: Sequence[Row]) -> list[Row]:
    """The newest rows of the newest version's window, each with the command that explains it."""
    first = found[0]
    rows = store.fetch(
        "page/rows",
        model=model,
        version=first["version"],
        since=first["window_start"],
        until=first["window_end"],
        newest=MOST_ANSWERED,
    )
    return [{**row, "explain": f"cyclone explain {shlex.quote(row['id'])} --model {model}"} for row in rows]


def _read_bins(store: Store, model: str, chosen: Choice, found: Sequence[Row]) -> list[Row]:
    """The bins of a feature that was judged, in the window of the newest version. None for what is no feature."""
    if chosen.kind != "drift" or not found or found[0]["window_end"] - found[0]["window_start"] > timedelta(days=400):
        return []
    first = found[0]
    return list(
        store.fetch(
            "page/bins",
            model=model,
            version=first["version"],
            feature=chosen.subject,
            since=first["window_start"],
            until=first["window_end"],
        )
    )
