"""The features, told from their columns, and the columns that are left out with the reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from cyclone.spec import RESERVED_FEATURES
from training.starting.columns import TextColumn
from training.starting.ranges import widen

NAME_CHARACTERS = 60
"""The most characters of a feature's name, as model.yaml allows them."""
CATEGORY_VALUES = 100
"""A category lists its values in model.yaml. With more of them new ones come often, and each would be refused."""
ROWS_OF_A_VALUE = 3
"""A text that is there less often than so many times on average tells rather who it is than what it is like."""
WORDS = 4
"""From so many words on, on average, a text is a sentence."""
ID_NAMES = ("id", "uuid", "guid", "key", "rowid", "rownames", "row_names", "index", "unnamed: 0", "")
"""Names of columns that number rows or name things, in small letters, also behind an underscore."""
CALENDAR_NAMES = {
    "hour": (0, 23),
    "hr": (0, 23),
    "weekday": (0, 7),
    "dayofweek": (0, 7),
    "dow": (0, 7),
    "month": (1, 12),
    "mnth": (1, 12),
    "season": (0, 4),
    "quarter": (1, 4),
    "day": (1, 31),
    "yday": (0, 366),
    "dayofyear": (0, 366),
    "holiday": (0, 1),
    "workingday": (0, 1),
    "weekend": (0, 1),
    "year": (0, 3000),
    "yr": (0, 3000),
}
"""Columns that follow the calendar by their names, with the numbers that belong to them."""
WEEK_DAYS, YEAR_DAYS = 14, 366
"""From so many days on the weekday, and the month, can tell something."""
WEEKDAY_GAP, MONTH_GAP = 4, 100
"""Where days with rows are usually farther apart, the weekday is that of a date by chance, or the month always one."""


@dataclass(frozen=True)
class FeatureGuess:
    """A feature as model.yaml has it, with the reason, and its cells in the history file.

    `is_wide` tells a text that names one of many things, and no sentence.
    """

    keys: dict[str, Any]
    why: str
    cells: list[str]
    is_wide: bool = False

    @property
    def name(self) -> str:
        return str(self.keys["name"])


def guess_features(columns: Sequence[TextColumn], left: dict[str, str]) -> list[FeatureGuess]:
    """The features among the columns. Those that are none are put into `left` with the reason."""
    found = []
    for column in columns:
        if reason := _find_reason(column):
            left[column.name] = reason
        else:
            found.append(_guess(column))
    return found


def build_calendar(times: Sequence[datetime], taken: Sequence[str]) -> list[FeatureGuess]:
    """Features of the calendar from the times as their clock showed them: what of them differs, and comes again."""
    days = (max(times) - min(times)).days
    gap = find_usual_gap([time.replace(hour=0, minute=0, second=0, microsecond=0) for time in times])
    hours, weekdays, months = (
        [time.hour for time in times],
        [time.weekday() for time in times],
        [time.month for time in times],
    )
    wanted: Mapping[str, tuple[list[int], list[int], bool, str]] = {
        "hour": (hours, [0, 23], len(set(hours)) > 1, "the hour of the row's time"),
        "weekday": (weekdays, [0, 6], days >= WEEK_DAYS and gap <= WEEKDAY_GAP, "its weekday, Monday is 0"),
        "month": (months, [1, 12], days >= YEAR_DAYS and gap <= MONTH_GAP, "its month"),
    }
    known = {name.lower() for name in taken}
    aliases = {"hour": {"hr"}, "weekday": {"dayofweek", "dow"}, "month": {"mnth"}}
    return [
        FeatureGuess(
            {"name": name, "type": "integer", "range": bounds, "calendar": True},
            f"made from the time: {words}. Clients send it",
            [str(value) for value in values],
        )
        for name, (values, bounds, is_useful, words) in wanted.items()
        if is_useful and not known & {name, *aliases[name]}
    ]


def find_usual_gap(days: Sequence[datetime]) -> int:
    """The usual number of days from one day with rows to the next."""
    ordered = sorted(set(days))
    gaps = sorted((later - earlier).days for earlier, later in pairwise(ordered))
    return gaps[len(gaps) // 2] if gaps else 1


def _find_reason(column: TextColumn) -> str:
    """Why a column is no feature. Empty when it is one."""
    rows = len(column.texts)
    if column.kind == "constant":
        return "it is empty in every row" if not column.counts else f"it is {next(iter(column.counts))!r} in every row"
    if column.kind == "time":
        return "it is a time, which is no feature. What may matter of it is a number, such as an age in days"
    if len(column.name) > NAME_CHARACTERS:
        return f"its name is longer than {NAME_CHARACTERS} characters"
    is_unique = len(column.counts) == rows - column.nulls
    if column.kind == "integer" and (_is_id(column.name) or _counts_rows(column)) and is_unique:
        return "it numbers the rows"
    if column.name.strip() == "" or column.name.lower() in RESERVED_FEATURES:
        return f"no feature may have the name {column.name!r}. Rename the column if it tells something"
    if column.kind != "text" or _is_sentence(column):
        return ""
    if is_unique or (_is_id(column.name) and len(column.counts) > CATEGORY_VALUES):
        return "it names the row: no two have the same" if is_unique else "it is an id by its name"
    if len(column.counts) * ROWS_OF_A_VALUE > rows - column.nulls:
        return f"it has {len(column.counts):,} values in {rows:,} rows, so it tells rather who than what"
    return ""


def _is_id(name: str) -> bool:
    bare = name.strip().lower()
    return bare in ID_NAMES or any(bare.endswith(f"_{known}") for known in ID_NAMES if known)


def _counts_rows(column: TextColumn) -> bool:
    """Whether the numbers are those of a counter: one more for each row of the file."""
    numbers = [column.values[text] for text in column.texts if text]
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    return len(steps) == 1 and steps != {0}


def _is_sentence(column: TextColumn) -> bool:
    words = sum(len(text.split()) * count for text, count in column.counts.items())
    return len(column.counts) > CATEGORY_VALUES and words >= WORDS * sum(column.counts.values())


def _guess(column: TextColumn) -> FeatureGuess:
    keys: dict[str, Any] = {"name": column.name, "type": column.kind}
    why, is_wide = [], False
    cells = [column.spell(text) for text in column.texts]
    if column.kind in ("integer", "number"):
        values = column.values.values()
        keys["range"], is_calendar = _bound(column)
        if is_calendar:
            keys["calendar"] = True
        why.append(
            f"{min(values):g} to {max(values):g}" + (", it follows the calendar by its name" if is_calendar else "")
        )
    elif column.kind == "boolean" and _bare(column.name) in CALENDAR_NAMES:
        keys["calendar"] = True
        why.append("it follows the calendar by its name")
    elif column.kind == "text" and len(column.counts) <= CATEGORY_VALUES:
        keys |= {"type": "category", "values": sorted(column.counts)}
        why.append(f"{len(column.counts)} values")
    elif column.kind == "text":
        is_wide = not _is_sentence(column)
        why.append(
            f"{len(column.counts):,} texts" + (", too many to list as values" if is_wide else " of several words")
        )
        cells = [text or "-" for text in cells]
    if column.note:
        why.append(f"written {column.note}" if column.kind != "text" else column.note)
    if column.nulls and keys["type"] != "text":
        keys["nullable"] = True
        why.append(f"{column.nulls:,} of {len(column.texts):,} cells are empty")
    elif column.nulls:
        why.append(f"{column.nulls:,} empty cells became '-', which clients send too")
    return FeatureGuess(keys, ", ".join(why) or "true and false", cells, is_wide)


def _bound(column: TextColumn) -> tuple[list[float], bool]:
    low, high = min(column.values.values()), max(column.values.values())
    bounds = CALENDAR_NAMES.get(_bare(column.name))
    if bounds and column.kind == "integer" and bounds[0] <= low and high <= bounds[1]:
        is_year = bounds[1] > YEAR_DAYS
        return (widen(low, high, is_integer=True) if is_year else list(bounds)), True
    return widen(low, high, is_integer=column.kind == "integer"), False


def _bare(name: str) -> str:
    return name.strip().lower().replace("_", "")
