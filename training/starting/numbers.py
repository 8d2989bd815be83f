"""Numbers in texts, as people and programs write them."""

import re
from collections.abc import Callable, Iterable

from cyclone.rows.cells import NUMBER

NULLS = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "?", "-", "#n/a", "<na>", "nat"})
"""How nothing is written, in small letters. An empty cell is the only one that a history file may have."""
COMMA_NUMBER = re.compile(r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number with a decimal comma, and perhaps with points between thousands."""
GROUPED_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
"""A number with commas between thousands."""
SIGNS = ("$", "€", "£", "¥", "%")
"""Signs that may stand before or behind each number of a column."""
CODE = re.compile(r"0[0-9]+")
"""Digits with a zero in front, as in postal codes. As a number it would lose the zero."""


def clean(text: str) -> str:
    """The text, or nothing where it means nothing."""
    bare = text.strip()
    return "" if bare.lower() in NULLS else text


def is_number(text: str) -> bool:
    """Whether a text is a number with a decimal point, or none."""
    return NUMBER.fullmatch(text.strip()) is not None


def _read_plain(text: str) -> str:
    return text.strip()


def _read_comma(text: str) -> str:
    return text.strip().replace(".", "").replace(",", ".")


def _read_grouped(text: str) -> str:
    return text.strip().replace(",", "")


def find_style(texts: Iterable[str]) -> tuple[Callable[[str], str], str] | None:
    """How all these texts write numbers: a function to the plain spelling, and words on it. None if not all do.

    >>> read, words = find_style(["1,5", "12"])
    >>> read("1,5"), words
    ('1.5', 'with decimal commas')
    """
    stripped = [text.strip() for text in texts]
    if any(CODE.fullmatch(text) for text in stripped):
        return None
    if all(NUMBER.fullmatch(text) for text in stripped):
        return _read_plain, ""
    if all(GROUPED_NUMBER.fullmatch(text) or NUMBER.fullmatch(text) for text in stripped):
        return _read_grouped, "with commas between thousands"
    if all(COMMA_NUMBER.fullmatch(text) for text in stripped):
        return _read_comma, "with decimal commas"
    return _find_signed(stripped)


def _find_signed(texts: list[str]) -> tuple[Callable[[str], str], str] | None:
    """The style of numbers that all have the same sign, such as $5 or 12%. None if they have none."""
    sign = next((sign for sign in SIGNS if all(text.count(sign) == 1 for text in texts)), None)
    if sign is None or not all(text.startswith(sign) or text.endswith(sign) for text in texts):
        return None
    style = find_style(text.replace(sign, "") for text in texts)
    if style is None:
        return None
    read, words = style
    return lambda text: read(text.replace(sign, "")), f"with {sign}, which is left out{', ' + words if words else ''}"
