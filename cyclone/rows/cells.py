"""The value of one cell of a text file, such as a CSV."""

import re
from typing import Any

from cyclone.sections import Feature, Label

BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
"""How a boolean may be written. Capitals do not count."""
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
"""Nineteen digits are what a 64-bit integer can have. Python reads more of them in more than linear time."""
NUMBER = re.compile(r"[+-]?([0-9]++(\.[0-9]*+)?|\.[0-9]++)([eE][+-]?[0-9]++)?")
"""A decimal number. Python would also read `1_000`, `nan` and `infinity`, which no other reader of the file does."""
NUMBER_CHARACTERS = 400
"""More than any number has: the largest float has 309 digits."""


def parse_cell(kind: Feature | Label, text: str) -> Any:
    """The typed value of a cell. None when the cell is empty.

    Blanks around a number or a boolean mean nothing. Around a text or a category they belong to it. A text that does
    not fit the type stays a text, for the check of the row to name it.

    >>> parse_cell(Feature(name="share", type="number"), " 0.5")
    0.5
    >>> parse_cell(Feature(name="hour", type="integer"), "1_000")
    '1_000'
    """
    if text == "":
        return None
    if kind.type in ("category", "text") or len(text) > NUMBER_CHARACTERS:
        return text
    cell = text.strip(" \t")
    if kind.type == "integer":
        return int(cell) if INTEGER.fullmatch(cell) else text
    if kind.type == "number":
        # An integer that a float would round stays one, for the check of the row to name it.
        is_rounded = INTEGER.fullmatch(cell) and int(cell) != float(cell)
        return int(cell) if is_rounded else float(cell) if NUMBER.fullmatch(cell) else text
    return BOOLEANS.get(cell.lower(), text)
