"""Round numbers and days beside the axes of a chart."""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from cyclone.page.period import Period
from cyclone.times import DAY, floor_month
from cyclone.wording import format_number

STEPS_OF_DAYS = (1, 2, 7, 14)
"""How many days lie between two marks, before whole months do."""
MOST_MARKS = 9
"""How many marks a time axis has at most. More would touch each other on a tablet."""


class Mark(NamedTuple):
    """A mark beside an axis: its place in percent of the axis, and what stands there."""

    place: float
    words: str


def find_top(values: list[float], lines: int = 4) -> tuple[float, list[float]]:
    """The upper end of an axis that begins at 0, and the round numbers on it.

    >>> find_top([9.2, 11.6])
    (12.0, [0.0, 3.0, 6.0, 9.0, 12.0])
    """
    highest = max((value for value in values if math.isfinite(value)), default=0.0)
    if highest <= 0:
        return 1.0, [0.0, 1.0]
    rough = highest / lines
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if factor * power >= rough * (1 - 1e-9))
    return step * lines, [step * place for place in range(lines + 1)]


def mark_numbers(top: float, numbers: list[float]) -> list[Mark]:
    """The marks of a vertical axis, from below."""
    return [Mark(100 * number / top, format_number(number)) for number in numbers]


def mark_days(period: Period) -> list[Mark]:
    """The marks of a time axis: days, weeks, or the first of months, of UTC."""
    days = period.length.days
    for step in STEPS_OF_DAYS:
        if days / step <= MOST_MARKS:
            moments = [period.since + place * step * DAY for place in range(days // step + 1)]
            return [Mark(period.find_place(at), f"{at.day} {at:%b}") for at in moments if at < period.until]
    months = _list_months(period)
    step = math.ceil(len(months) / MOST_MARKS)
    return [Mark(period.find_place(at), f"{at:%b}" if at.month > 1 else f"{at:%b %Y}") for at in months[::step]]


def _list_months(period: Period) -> list[datetime]:
    months, at = [], floor_month(period.since)
    while at < period.until:
        if at >= period.since:
            months.append(at)
        at = floor_month(at + timedelta(days=32))
    return months
