"""Columns that tell the label: it in other units, its parts, or what is known only once it is known."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from training.starting.columns import TextColumn

if TYPE_CHECKING:
    import numpy as np

LEAK_CORRELATION = 0.9999
"""Above it a number is the label in other units. No measurement of something else is so near to it."""
LEAST_ROWS = 100
"""With fewer rows, that two numbers go together may be chance."""
SURE_ROWS = 30
"""So many rows that are all of one class are no chance where other rows are of another."""
EXACT = 1e-6
"""The share of the label's spread that a sum may miss it by, as numbers in files are rounded."""
MOST_PARTS = 200
"""The most columns that are tried as parts of a sum. More would take long."""


def find_leaks(columns: Sequence[TextColumn], label: TextColumn, is_regression: bool) -> dict[str, str]:
    """The columns that tell the label, each with the reason."""
    found = {}
    for column in columns:
        reason = _tell_number(column, label) if is_regression else _tell_class(column, label)
        if reason:
            found[column.name] = reason
    if is_regression:
        found |= _find_parts([column for column in columns if column.name not in found], label)
    return found


def read_numbers(column: TextColumn) -> "np.ndarray[Any, Any]":
    """The values of a column as floats, NaN where a cell is empty."""
    import numpy as np

    values = {text: float(value) for text, value in column.values.items()}
    return np.array([values[text] if text else np.nan for text in column.texts])


def _tell_number(column: TextColumn, label: TextColumn) -> str:
    import numpy as np

    if column.kind not in ("integer", "number"):
        return ""
    values, truths = read_numbers(column), read_numbers(label)
    known = ~np.isnan(values)
    values, truths = values[known], truths[known]
    if len(values) < SURE_ROWS or values.std() == 0 or truths.std() == 0:
        return ""
    if abs(float(np.corrcoef(values, truths)[0, 1])) > LEAK_CORRELATION:
        return "it is the label in other units: the correlation is above 0.9999"
    ranks, wanted = (np.unique(item, return_inverse=True)[1] for item in (values, truths))
    if np.array_equal(ranks, wanted) or np.array_equal(ranks.max() - ranks, wanted):
        return "it rises or falls with the label in every row"
    return ""


def _tell_class(column: TextColumn, label: TextColumn) -> str:
    """Whether each value of a column goes with one class alone, or its cells are filled for one class alone."""
    classes: dict[str, set[str]] = defaultdict(set)
    for text, truth in zip(column.texts, label.texts, strict=True):
        classes[text].add(truth)
    filled = {truth for text, truth in zip(column.texts, label.texts, strict=True) if text}
    if column.nulls and len(filled) == 1 and len(column.texts) - column.nulls >= SURE_ROWS:
        return f"its cells are filled only where {label.name} is {next(iter(filled))!r}"
    few = len(classes) * 10 <= len(column.texts) and len(column.texts) >= LEAST_ROWS
    if few and all(len(truths) == 1 for truths in classes.values()):
        return f"each of its values goes with one value of {label.name} alone"
    if column.kind in ("integer", "number") and _is_split(column, label):
        return f"its ranges do not overlap for different {label.name}"
    return ""


def _is_split(column: TextColumn, label: TextColumn) -> bool:
    ranges: dict[str, tuple[float, float]] = {}
    for text, truth in zip(column.texts, label.texts, strict=True):
        if text:
            value = float(column.values[text])
            low, high = ranges.get(truth, (value, value))
            ranges[truth] = (min(low, value), max(high, value))
    ordered = sorted(ranges.values())
    if len(ordered) < len(label.counts) or min(label.counts.values()) < SURE_ROWS:
        return False
    return all(before[1] < after[0] for before, after in pairwise(ordered))


def _find_parts(columns: Sequence[TextColumn], label: TextColumn) -> dict[str, str]:
    """Columns whose sum is the label, such as the counts of two kinds of customers."""
    import numpy as np

    columns = [item for item in columns if item.kind in ("integer", "number") and not item.nulls][:MOST_PARTS]
    truths = read_numbers(label)
    if not columns or len(truths) < max(LEAST_ROWS, 3 * len(columns)):
        return {}
    matrix = np.column_stack([read_numbers(column) for column in columns])
    spread = matrix.std(axis=0)
    scaled = (matrix - matrix.mean(axis=0)) / spread
    wanted = truths - truths.mean()
    weights = np.linalg.lstsq(scaled, wanted, rcond=None)[0]
    if np.abs(scaled @ weights - wanted).max() > EXACT * truths.std():
        return {}
    names = [column.name for column, weight in zip(columns, weights, strict=True) if abs(weight) > EXACT * truths.std()]
    return {name: f"the label is a sum of {', '.join(names)}" for name in names}
