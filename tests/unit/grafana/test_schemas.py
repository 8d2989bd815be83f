"""Every board is one that Grafana can read, and what it could not read is found."""

import copy
from typing import Any

import pytest

from grafana.trial.questions import read_boards
from grafana.trial.schemas import find_board_faults

BOARDS = read_boards()


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_fits_the_published_types(name: str) -> None:
    assert find_board_faults(BOARDS[name]) == []


def find_panel(board: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def misspell_key(board: dict[str, Any]) -> None:
    board["time_zone"] = board.pop("timezone")


def misspell_option(board: dict[str, Any]) -> None:
    find_panel(board, "stat")["options"]["colourMode"] = "value"


def misspell_override(board: dict[str, Any]) -> None:
    overrides = find_panel(board, "table")["fieldConfig"]["overrides"]
    overrides[0]["properties"].append({"id": "custom.widht", "value": 90})


def choose_no_colour_mode(board: dict[str, Any]) -> None:
    find_panel(board, "stat")["options"]["colorMode"] = "backdrop"


def choose_no_cell_type(board: dict[str, Any]) -> None:
    overrides = find_panel(board, "table")["fieldConfig"]["overrides"]
    overrides[0]["properties"].append({"id": "custom.cellOptions", "value": {"type": "colour"}})


def misspell_unit(board: dict[str, Any]) -> None:
    overrides = find_panel(board, "table")["fieldConfig"]["overrides"]
    overrides[0]["properties"].append({"id": "units", "value": "s"})


def lose_id(board: dict[str, Any]) -> None:
    del find_panel(board, "table")["id"]


def double_id(board: dict[str, Any]) -> None:
    find_panel(board, "table")["id"] = find_panel(board, "stat")["id"]


def lose_uid(board: dict[str, Any]) -> None:
    del board["uid"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (misspell_key, "'time_zone' was unexpected"),
        (misspell_option, "'colourMode' was unexpected"),
        (misspell_override, "'widht' was unexpected"),
        (choose_no_colour_mode, "'backdrop' is not one of"),
        (choose_no_cell_type, "'colour'"),
        (misspell_unit, "'units' was unexpected"),
        (lose_id, "panel 'Models' has no id"),
        (double_id, "ids of panels are not distinct"),
        (lose_uid, "the board has no uid"),
    ],
)
def test_what_grafana_could_not_read_is_found(spoil: Any, told: str) -> None:
    board = copy.deepcopy(BOARDS["fleet"])
    spoil(board)
    assert told in "\n".join(find_board_faults(board))
