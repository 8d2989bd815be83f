"""The label and the task, told from the label's column."""

from dataclasses import dataclass, field
from typing import Any

from cyclone.errors import DataError
from training.starting.columns import YES, YES_AND_NO, TextColumn
from training.starting.ranges import widen_label

MOST_CLASSES = 50
"""With more different texts, a label is a name or a sentence rather than a class."""
INTEGER_CLASSES = 12
"""Up to so many integers without gaps, each common, are names of classes rather than counts."""
CLASS_SHARE = 0.02
"""The least share of rows of each such integer. Counts have a tail of rarer ones."""
CLASS_ROWS = 10
"""The rows that a class needs. With fewer, days of the hold-out or of a fold would have none of it."""


@dataclass(frozen=True)
class LabelGuess:
    """The task and the label as model.yaml has them, with the reasons.

    `spelling` has the cell of a history file for each text. A row whose label is not among them is left out.
    """

    task: str
    keys: dict[str, Any]
    why: str
    spelling: dict[str, str]
    notes: list[str] = field(default_factory=list)


def guess_label(column: TextColumn, place: str) -> LabelGuess:
    """Tell task and label. Errors: `DataError` when nothing can be learned of the column."""
    distinct = {text.strip().lower() for text in column.counts}
    if column.kind == "constant":
        shown = next(iter(column.counts), "")
        words = f"has only the value {shown!r}" if shown else "is empty in every row"
        raise DataError(f"{place}: the label {column.name!r} {words}, so nothing can be learned. Add rows with others")
    if column.kind == "time":
        raise DataError(f"{place}: the label {column.name!r} is a time. Give its distance to another time, as a number")
    if distinct in YES_AND_NO:
        spelling = {text: str(text.strip().lower() in YES).lower() for text in column.counts}
        shown = ", ".join(f"{text!r} is {spelling[text]}" for text in sorted(spelling))
        return LabelGuess("binary", {"type": "boolean"}, f"two values that say yes and no: {shown}", spelling)
    if column.kind in ("integer", "number") and not _has_classes(column):
        return _guess_number(column)
    return _guess_classes(column, place)


def _has_classes(column: TextColumn) -> bool:
    values = sorted(set(column.values.values()))
    total = sum(column.counts.values())
    is_dense = values == list(range(int(values[0]), int(values[0]) + len(values))) and values[0] in (0, 1)
    are_common = min(column.counts.values()) >= CLASS_SHARE * total
    return column.kind == "integer" and len(values) <= INTEGER_CLASSES and is_dense and are_common


def _guess_number(column: TextColumn) -> LabelGuess:
    values = column.values.values()
    keys = {"type": column.kind, "range": widen_label(min(values), max(values), is_integer=column.kind == "integer")}
    why = f"{len(column.counts):,} different numbers from {min(values):g} to {max(values):g}. The range has room"
    return LabelGuess("regression", keys, why, {text: column.spell(text) for text in column.counts})


def _guess_classes(column: TextColumn, place: str) -> LabelGuess:
    if len(column.counts) > MOST_CLASSES:
        raise DataError(
            f"{place}: the label {column.name!r} has {len(column.counts):,} different texts, and {MOST_CLASSES} classes"
            f" are allowed, such as {next(iter(column.counts))!r}. Name another column, join classes, or write numbers"
            " without words and units"
        )
    spelling = {text: column.spell(text) for text in column.counts if column.counts[text] >= CLASS_ROWS}
    values = sorted(
        set(spelling.values()), key=lambda text: (len(text), text) if column.kind == "integer" else (0, text)
    )
    if len(values) < 2:
        raise DataError(
            f"{place}: of the label {column.name!r} fewer than two values have {CLASS_ROWS} rows, so nothing can be"
            " learned. Add rows"
        )
    rare = [text for text in column.counts if text not in spelling]
    notes = [f"rows of {', '.join(map(repr, rare))} are left out: fewer than {CLASS_ROWS} of each"] if rare else []
    why = f"{len(values)} classes"
    if column.kind == "integer":
        why += (
            ". They are integers without gaps, each common. For a number set task: regression, type: integer, no values"
        )
    return LabelGuess("multiclass", {"type": "category", "values": values}, why, spelling, notes)
