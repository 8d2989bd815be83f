"""What a new model will be: everything that was told from its data, with the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cyclone.errors import DataError
from training.starting.columns import TextColumn, read_column
from training.starting.features import FeatureGuess, build_calendar, guess_features
from training.starting.labels import LabelGuess, guess_label
from training.starting.leaks import find_leaks
from training.starting.source import DataSource
from training.starting.timing import Timing, find_timing

LEAST_ROWS = 50
"""With fewer labelled rows nothing could be trained, held out and judged."""


@dataclass(frozen=True)
class Plan:
    """A model before it is written. `left` has the columns that are no features, with the reasons.

    `rows` are the rows of the history, the oldest first: when each was created, its features' cells and its label's.
    """

    name: str
    source: DataSource
    label_name: str
    label: LabelGuess
    timing: Timing
    features: list[FeatureGuess]
    left: dict[str, str]
    rows: list[tuple[datetime, list[str], str]]
    notes: list[str] = field(default_factory=list)

    @property
    def days(self) -> list[datetime]:
        """The days that have rows, in their order."""
        return sorted({time.replace(hour=0, minute=0, second=0, microsecond=0) for time, _, _ in self.rows})

    @property
    def rows_a_day(self) -> float:
        """How many rows came on a day, of those that were read and not only of those that are kept."""
        days = (self.days[-1] - self.days[0]).days + 1
        return len(self.rows) * self.source.step / days


def build_plan(source: DataSource, name: str, label_name: str, time_name: str) -> Plan:
    """Tell everything of a model from its data. Errors: `DataError` when no model can be made of them."""
    for option, column in (("--label", label_name), ("--time", time_name)):
        if column and column not in source.columns:
            raise DataError(f"{source.name}: {option} {column!r} is no column. Columns are {', '.join(source.columns)}")
    if label_name == time_name:
        raise DataError(f"--label and --time are both {label_name!r}. Name two columns")
    columns = [read_column(source, column) for column in source.columns]
    label_column = next(column for column in columns if column.name == label_name)
    label = guess_label(label_column, source.name)
    others = [column for column in columns if column.name != label_name]
    timing = find_timing(source, others, time_name)
    left = {timing.label_column: "it is when the label came, so it is known too late"} if timing.label_column else {}
    times = {timing.column, timing.label_column} - {""}
    others = [column for column in others if column.name not in times]
    features = guess_features(others, left)
    known = {item.name for item in features}
    leaks = find_leaks([item for item in others if item.name in known], label_column, label.task == "regression")
    left |= {column: f"it tells the label: {reason}" for column, reason in leaks.items()}
    features = [item for item in features if item.name not in leaks]
    return _arrange(source, name, label_column, label, timing, features, left)


def _arrange(
    source: DataSource,
    name: str,
    label_column: TextColumn,
    label: LabelGuess,
    timing: Timing,
    features: list[FeatureGuess],
    left: dict[str, str],
) -> Plan:
    kept = [
        row
        for row, text in enumerate(label_column.texts)
        if text in label.spelling and timing.created_at[row] is not None
    ]
    if len(kept) < LEAST_ROWS:
        raise DataError(
            f"{source.name}: {len(kept):,} rows have a label and a time, and {LEAST_ROWS} are needed. Add rows"
        )
    if timing.clock:
        taken = [*(item.name for item in features), label_column.name]
        calendar = build_calendar([timing.clock[row] for row in kept], taken)  # type: ignore[misc]
        by_row = [_place(item, kept, len(label_column.texts)) for item in calendar]
        features = [*by_row, *features]
    if not features:
        raise DataError(f"{source.name}: no column is left as a feature. Left out: {_list(left)}")
    rows = [
        (timing.created_at[row], [item.cells[row] for item in features], label.spelling[label_column.texts[row]])
        for row in kept
    ]
    rows.sort(key=lambda row: row[0])  # type: ignore[arg-type, return-value]
    notes = [*timing.notes, *label.notes, *_note_rows(source, len(label_column.texts) - len(kept))]
    return Plan(name, source, label_column.name, label, timing, features, left, rows, notes)  # type: ignore[arg-type]


def _place(feature: FeatureGuess, kept: Sequence[int], count: int) -> FeatureGuess:
    """The feature with a cell for each row of the source. Rows that are left out get an empty one."""
    cells = [""] * count
    for cell, row in zip(feature.cells, kept, strict=True):
        cells[row] = cell
    return FeatureGuess(feature.keys, feature.why, cells)


def _note_rows(source: DataSource, left_out: int) -> list[str]:
    notes = []
    if source.step > 1:
        notes.append(f"{source.count:,} rows are many: one of {source.step} was read, evenly over the file")
    if left_out:
        notes.append(f"{left_out:,} rows without a label or a time are left out")
    return notes


def _list(left: dict[str, str]) -> str:
    return ". ".join(f"{name}: {reason}" for name, reason in list(left.items())[:5])
