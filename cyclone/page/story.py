"""The story of a model: its error on a time axis, and below it the bands of what lasted for a while."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from cyclone.page.period import Period
from cyclone.page.rendering import quote_part
from cyclone.page.scales import Mark, find_top, mark_days, mark_numbers
from cyclone.times import DAY
from cyclone.wording import count_of, format_number

Row = Mapping[str, Any]
LANES = {
    "version": "Versions",
    "calibration": "Calibrations",
    "incident": "Incidents",
    "canary": "Canaries",
    "hold": "Holds",
}
"""The lanes below the chart in their order, by the names that the store's rows have."""
LEAST_WIDTH = 0.6
"""The least width of a band in percent. A canary of an hour would be too thin to hit within a year."""
NAME_WIDTH = 3.5
"""The width in percent that a band's name needs on a laptop."""
GAP = 2 * DAY
"""From so long a time without a labelled day on, a line is interrupted."""


@dataclass(frozen=True)
class DrawnLine:
    """A line of the chart: what it shows, and its path in percent of width and height."""

    kind: str
    path: str


@dataclass(frozen=True)
class DayColumn:
    """The column of one day, which a person can point at."""

    day: datetime
    left: float
    width: float
    words: str


@dataclass(frozen=True)
class Band:
    """Something that lasted for a while. `link` leads to its page, relative to the page of the model."""

    name: str
    words: str
    tone: str
    left: float
    width: float
    link: str
    place: str
    """Where its name stands: `inside`, `outside` to the right of a thin band, or `nowhere` if others follow closely."""
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Story:
    """Everything that the chart shows, and the rows of the table behind it."""

    lines: Sequence[DrawnLine]
    columns: Sequence[DayColumn]
    numbers: Sequence[Mark]
    days: Sequence[Mark]
    lanes: Mapping[str, Sequence[Band]]
    rows: Sequence[Row]
    has_expected: bool


def build_story(period: Period, errors: Sequence[Row], expected: Sequence[Row], bands: Sequence[Row]) -> Story:
    """The story of a period, from the daily errors by version, the expected errors, and the bands of the store."""
    values = [row[name] for row in errors for name in ("error", "error_limit") if row[name] is not None]
    top, numbers = find_top([*values, *(row["value"] for row in expected)])
    lines = [
        *_draw_steps(period, errors, top),
        *_draw_expected(period, expected, top),
        *_draw_errors(period, errors, top),
    ]
    lanes: dict[str, list[Band]] = {title: [] for title in LANES.values()}
    for row in bands:
        lanes[LANES[row["lane"]]].append(_place_band(period, row))
    lanes = {title: _place_names(found) for title, found in lanes.items()}
    columns = [_build_column(period, row) for row in errors]
    return Story(lines, columns, mark_numbers(top, numbers), mark_days(period), lanes, errors, bool(expected))


def _draw_errors(period: Period, errors: Sequence[Row], top: float) -> list[DrawnLine]:
    """The error of each version. A line is interrupted where days have no label."""
    lines = []
    for _, rows in groupby(errors, key=lambda row: row["version"]):
        points = [(row["day"] + DAY / 2, row["error"]) for row in rows]
        lines.append(DrawnLine("error", _draw(period, points, top)))
    return lines


def _draw_expected(period: Period, expected: Sequence[Row], top: float) -> list[DrawnLine]:
    """The expected error of each version, where its windows ended."""
    lines = []
    for _, rows in groupby(expected, key=lambda row: row["version"]):
        lines.append(DrawnLine("expected", _draw(period, [(row["at"], row["value"]) for row in rows], top)))
    return lines


def _draw_steps(period: Period, errors: Sequence[Row], top: float) -> list[DrawnLine]:
    """What each version was accepted with, and its limit, as far as it has labelled days."""
    lines = []
    for _, group in groupby(errors, key=lambda row: row["version"]):
        rows = list(group)
        for kind, name in (("limit", "error_limit"), ("accepted", "accepted_error")):
            if rows[0][name] is not None:
                points = [(rows[0]["day"], rows[0][name]), (rows[-1]["day"] + DAY, rows[0][name])]
                start, end = (_place(period, at, value, top) for at, value in points)
                lines.append(DrawnLine(kind, f"M{start}L{end}"))
    return lines


def _draw(period: Period, points: Sequence[tuple[datetime, float]], top: float) -> str:
    parts, before = [], None
    for at, value in points:
        is_new = before is None or at - before > GAP
        parts.append(f"{'M' if is_new else 'L'}{_place(period, at, value, top)}" + ("h.01" if is_new else ""))
        before = at
    return "".join(parts)


def _place(period: Period, at: datetime, value: float, top: float) -> str:
    return f"{period.find_place(at):.2f} {100 - 100 * min(1.0, max(0.0, value / top)):.2f}"


def _build_column(period: Period, row: Row) -> DayColumn:
    words = (
        f"{row['day']:%Y-%m-%d}: error {format_number(row['error'])} of version {row['version']}"
        f" on {count_of(row['labelled'], 'label')}"
    )
    left = period.find_place(row["day"])
    return DayColumn(row["day"], left, period.find_place(row["day"] + DAY) - left, words)


def _place_band(period: Period, row: Row) -> Band:
    left = period.find_place(row["started_at"])
    right = period.find_place(row["ended_at"] or period.until)
    width = max(right - left, LEAST_WIDTH)
    return Band(
        name=row["name"],
        words=row["words"],
        tone=row["tone"],
        left=min(left, 100 - width),
        width=width,
        link=_find_link(row),
        place="inside",
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )


def _place_names(bands: Sequence[Band]) -> list[Band]:
    """The bands of a lane with the place of each name, so that no name covers another band."""
    placed = []
    for number, band in enumerate(bands):
        end = band.left + band.width
        room = (bands[number + 1].left if number + 1 < len(bands) else 100) - end
        outside = "outside" if room >= NAME_WIDTH else "nowhere"
        placed.append(replace(band, place="inside" if band.width >= NAME_WIDTH else outside))
    return placed


def _find_link(row: Row) -> str:
    if row["incident_id"] is not None:
        return f"incidents/{row['incident_id']}"
    if row["run_id"] is not None:
        return f"runs/{quote_part(row['run_id'])}"
    return ""
