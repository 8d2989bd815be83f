"""The check of a model's history: every row of the file, and whether a first version can be trained on them."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import CycloneError
from cyclone.rows.frames import LABEL_TYPES, frame_from_rows
from cyclone.rows.table_file import TableFile
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec
from cyclone.store import Row
from training.checking.sample import Thinned
from training.data.dataset import check_rows
from training.data.history import find_history, parse_time, scan_history

if TYPE_CHECKING:
    from random import Random

    import pandas as pd

SHOWN_FAULTS = 20
"""The most faulty rows that are shown. A wrong range makes thousands of them, which are mended together."""
MADE_ROWS = 500
"""As many as the check of a pipeline fits on."""
KEPT_ROWS = 300_000
"""The most rows that are kept to look at all of them together. More would need gigabytes of memory."""


@dataclass
class CheckedHistory:
    """What the rows of a history file are like. `frame` has the good ones, the oldest first, or every n-th of them."""

    count: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    frame: "pd.DataFrame | None" = None


def check_history(spec: ModelSpec, folder: Path) -> CheckedHistory:
    """Read every row of the history file. No error of the file leaves this function: it is a fault."""
    checked = CheckedHistory()
    if spec.history is None:
        checked.notes.append("model.yaml names no history: made-up rows were fitted, and no row was looked at")
        checked.frame = make_frame(spec)
        return checked
    rows: Thinned[Row] = Thinned(KEPT_ROWS)
    bad = 0
    try:
        for row in scan_history(spec, folder):
            checked.count += 1
            if not isinstance(row, str):
                rows.add(row)
                continue
            bad += 1
            if bad <= SHOWN_FAULTS:
                checked.faults.append(row)
    except CycloneError as error:
        checked.faults.append(str(error))
    if bad > SHOWN_FAULTS:
        checked.faults.append(f"{folder / spec.history}: {bad - SHOWN_FAULTS:,} more rows like these cannot be used")
    if rows.items:
        checked.frame = build_frame(spec, rows.items)
    if checked.frame is not None and not checked.faults:
        checked.notes += _note_zone(spec, folder)
        checked.faults += _check_together(spec, folder, checked.frame)
    return checked


def build_frame(spec: ModelSpec, rows: list[Row]) -> "pd.DataFrame":
    """Rows of a history as a frame with `created_at` (UTC), the features and `label`. The oldest row is the first."""
    import pandas as pd

    frame = frame_from_rows(spec, [row["features"] for row in rows])
    frame.insert(0, "created_at", pd.to_datetime([row["created_at"] for row in rows], utc=True))
    frame["label"] = pd.Series([row["label"] for row in rows], dtype=LABEL_TYPES[spec.label.type])
    return frame.sort_values("created_at", kind="stable", ignore_index=True)


def make_frame(spec: ModelSpec) -> "pd.DataFrame":
    """Made-up rows that model.yaml allows, for a model without history. They show whether the pipeline runs."""
    import random

    rng = random.Random(0)  # noqa: S311 (any rows do, and the same ones every time)
    start = datetime(2011, 1, 1, tzinfo=UTC)
    rows = [
        {
            "created_at": start + timedelta(hours=number),
            "features": {feature.name: _draw(rng, feature) for feature in spec.features},
            "label": _draw(rng, spec.label),
        }
        for number in range(MADE_ROWS)
    ]
    return build_frame(spec, rows)


def _draw(rng: "Random", field: Feature | Label) -> Any:
    if field.values:
        return rng.choice(field.values)
    if field.type == "boolean":
        return rng.random() < 0.5
    if field.type == "text":
        return f"text {rng.randint(0, 9)}"
    lower, upper = field.range or (0.0, 1000.0)
    if field.type == "integer":
        return rng.randint(math.ceil(lower), math.floor(upper))
    return lower + (upper - lower) * rng.random()


def _check_together(spec: ModelSpec, folder: Path, frame: "pd.DataFrame") -> list[str]:
    """Whether the rows before `history_until` could train a version. A row by itself does not show that."""
    now = datetime.now(UTC)
    until = parse_time(spec.history_until) if spec.history_until else now
    try:
        check_rows(spec, frame[frame["created_at"] < until], min(until, now))
    except CycloneError as error:
        before = f" before history_until {spec.history_until}" if spec.history_until else ""
        return [f"{folder / str(spec.history)}: of the rows{before}: {str(error).removeprefix(f'{spec.name}: ')}"]
    return []


def _note_zone(spec: ModelSpec, folder: Path) -> list[str]:
    """A note if times have no zone. The first row tells, as a file is written by one program."""
    table = TableFile(find_history(spec, folder))
    record: Any = next(iter(table), None)
    text = record.values[table.columns.index("created_at")] if record else "Z"
    if datetime.fromisoformat(text).tzinfo is not None:
        return []
    words = f"created_at {text!r} has no zone and is read as UTC. If it is local time, write it with its offset"
    return [f"{table.name(record.number)}: {words}"]
