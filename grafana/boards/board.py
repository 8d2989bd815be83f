"""A board: rows of panels, and what all boards have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana.boards.queries import Json, list_annotations, list_variables

BOARDS = {
    "fleet": "Fleet",
    "model": "Model",
    "release": "Release",
    "loop": "Loop",
    "log": "Log",
}
"""The titles of the boards, in the order of their links. The uid of each is `cyclone-<name>`."""
SCHEMA_VERSION = 42
"""The newest classic model. Grafana 12 and 13 read it."""
WIDTH = 24
"""The columns of Grafana's grid."""
FIRST_ROW_ID = 1000
"""Ids of rows begin here, so that a panel's id never moves with the rows above it."""


@dataclass(frozen=True)
class Placed:
    """A panel with its size in cells of the grid."""

    panel: Json
    width: int
    height: int = 8


@dataclass(frozen=True)
class Board:
    """What one module makes. `shown` are the variables with a control. `guide` is for people, at the board's top."""

    name: str
    description: str
    shown: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Placed]]]
    since: str = "now-30d"
    is_annotated: bool = True


def link_to(name: str) -> str:
    """The address of a board, with the time range and all variables of this one."""
    return f"/d/cyclone-{name}?${{__url_time_range}}&${{__all_variables}}"


def link_row_to(name: str) -> str:
    """The address of a board for the model of a row, whose versions and features are not those that are chosen here."""
    return f"/d/cyclone-{name}?${{__url_time_range}}&var-model=${{__data.fields.model:percentencode}}"


def build(board: Board) -> Json:
    """A board as Grafana reads it."""
    return {
        "uid": f"cyclone-{board.name}",
        "title": f"Cyclone: {BOARDS[board.name]}",
        "description": board.description,
        "tags": ["cyclone"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "1m",
        "time": {"from": board.since, "to": "now"},
        "templating": {"list": list_variables(*board.shown)},
        "annotations": {"list": list_annotations() if board.is_annotated else []},
        "links": [_link(name) for name in BOARDS if name != board.name],
        "panels": _lay_out(board.rows),
    }


def _link(name: str) -> Json:
    return {
        "title": BOARDS[name],
        "type": "link",
        "url": f"/d/cyclone-{name}",
        "icon": "dashboard",
        "tooltip": f"The board {BOARDS[name]}, for the same time and model",
        "tags": [],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }


def _lay_out(rows: Sequence[tuple[str, Sequence[Placed]]]) -> list[Json]:
    panels: list[Json] = []
    top = 0
    for number, (title, placed) in enumerate(rows):
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        panels.append(
            {
                "id": FIRST_ROW_ID + number,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": place,
            }
        )
        top, left, tallest = top + 1, 0, 0
        for item in placed:
            if left + item.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            panels.append(item.panel | {"gridPos": {"x": left, "y": top, "w": item.width, "h": item.height}})
            left, tallest = left + item.width, max(tallest, item.height)
        top += tallest
    return panels
