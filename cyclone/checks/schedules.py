"""Cron expressions of five fields, as `monitor.schedule` has them."""

from datetime import date, timedelta
from functools import cache
from itertools import pairwise

# Eight years have every date that a cron expression can name twice, 29 February included.
DAYS = 8 * 366
FIRST_DAY = date(2024, 1, 1)
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""The lowest and the highest number of minute, hour, day, month and weekday."""


@cache
def find_longest_gap(schedule: str) -> timedelta:
    """The longest time between two runs of a schedule. A monitor that is silent for longer does not run.

    >>> find_longest_gap("*/5 * * * *"), find_longest_gap("0 9-17 * * 1-5")
    (datetime.timedelta(seconds=300), datetime.timedelta(days=2, seconds=57600))
    """
    minutes, hours, days, months, weekdays = map(_list_numbers, schedule.split(), BOUNDS)
    fields = schedule.split()
    # Where both are given, a day counts that is either of them: so cron has it.
    is_either = not fields[2].startswith("*") and not fields[4].startswith("*")
    times = sorted(60 * hour + minute for hour in hours for minute in minutes)
    gaps = [later - sooner for sooner, later in pairwise(times)]
    last: int | None = None
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        fits = (day.day in days, not {day.isoweekday(), day.isoweekday() % 7}.isdisjoint(weekdays))
        if day.month in months and (any(fits) if is_either else all(fits)):
            if last is not None:
                gaps.append((number - last) * 1440 + times[0] - times[-1])
            last = number
    return timedelta(minutes=max(gaps, default=DAYS * 1440))


def _list_numbers(field: str, bounds: tuple[int, int]) -> set[int]:
    """The numbers that a field names, such as 0, 15, 30 and 45 for `*/15`."""
    numbers: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first, last = bounds if span == "*" else (int(low), int(high or (bounds[1] if step else low)))
        numbers |= set(range(first, last + 1, int(step or 1)))
    return numbers
