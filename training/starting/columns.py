"""What a column of texts holds: its kind, its values, and how they are spelled in a history file."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cyclone.errors import DataError
from cyclone.rows.cells import INTEGER
from cyclone.rows.validation import is_exact
from training.starting.moments import Moments, count_formats, find_moments
from training.starting.numbers import clean, find_style, is_number
from training.starting.source import DataSource

MIXED_SHARE = 0.9
"""From this share of numbers on, other texts among them are mistakes. Below it the column is one of texts."""
TRUE_AND_FALSE = ({"true", "false"}, {"t", "f"})
YES_AND_NO = (*TRUE_AND_FALSE, {"yes", "no"}, {"y", "n"}, {"1", "0"}, {"1.0", "0.0"})
"""The pairs of texts that say yes and no, in small letters."""
YES = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FORMATS_TRIED = 300
"""So many texts of a column are looked at one by one, to tell dates in several formats from other texts."""


@dataclass(frozen=True)
class TextColumn:
    """A column of texts. `kind` is `constant`, `integer`, `number`, `boolean`, `time` or `text`.

    `texts` are its cells, empty where nothing is known. `values` has what each text means, and `counts` how often it is
    there. `note` says how it is written, if that is not plain. `moments` are those of a column of times.
    """

    name: str
    kind: str
    texts: list[str]
    counts: Counter[str]
    values: Mapping[str, Any]
    note: str = ""
    moments: Moments | None = None

    @property
    def nulls(self) -> int:
        return len(self.texts) - sum(self.counts.values())

    def spell(self, text: str) -> str:
        """A cell as a history file has it."""
        if not text or self.kind in ("text", "time"):
            return text
        value = self.values[text]
        return str(value).lower() if isinstance(value, bool) else str(value)


def read_column(source: DataSource, name: str) -> TextColumn:
    """Tell what a column holds. Errors: `DataError` for numbers with a few other texts among them."""
    texts = [clean(text) for text in source.columns[name]]
    counts = Counter(text for text in texts if text)

    def make(kind: str, values: Mapping[str, Any], note: str = "", moments: Moments | None = None) -> TextColumn:
        return TextColumn(name, kind, texts, counts, values, note, moments)

    if len(counts) < 2:
        return make("constant", dict(zip(counts, counts, strict=True)))
    if {text.strip().lower() for text in counts} in TRUE_AND_FALSE:
        return make("boolean", {text: text.strip().lower() in YES for text in counts})
    if style := find_style(counts):
        return _make_numbers(make, counts, *style)
    _refuse_mixed(source, name, texts, counts)
    try:
        moments = find_moments(counts)
    except DataError as error:
        raise DataError(f"{source.name}: column {name!r}: {error}") from error
    if moments:
        return make("time", moments.times, moments.format, moments)
    formats = count_formats(list(counts)[:FORMATS_TRIED])
    if formats > 1:
        shown = ", ".join(repr(text) for text in list(counts)[:3])
        raise DataError(
            f"{source.name}: column {name!r} has times in {formats} formats or more, such as {shown}."
            " Write all of them as 2011-01-31 or 2011-01-31T23:00:00Z"
        )
    return make("text", {text: text for text in counts})


def _make_numbers(
    make: Callable[..., TextColumn], counts: Counter[str], to_plain: Callable[[str], str], note: str
) -> TextColumn:
    plain = {text: to_plain(text) for text in counts}
    if all(INTEGER.fullmatch(text) for text in plain.values()):
        numbers = {text: int(digits) for text, digits in plain.items()}
        return make("integer" if all(map(is_exact, numbers.values())) else "text", numbers, note)
    values = {text: float(digits) for text, digits in plain.items()}
    if all(value.is_integer() and is_exact(int(value)) for value in values.values()):
        # Where cells may be empty, pandas writes integers as 3.0.
        return make("integer", {text: int(value) for text, value in values.items()}, note)
    return make("number", values, note)


def _refuse_mixed(source: DataSource, name: str, texts: list[str], counts: Counter[str]) -> None:
    others = [text for text in counts if not is_number(text)]
    count = sum(counts[text] for text in others)
    total = sum(counts.values())
    if not 0 < count <= (1 - MIXED_SHARE) * total or all(
        text.strip()[:1] == "0" for text in counts if text not in others
    ):
        return
    place = source.place(next(row for row, text in enumerate(texts) if text in set(others)))
    raise DataError(
        f"{place}: column {name!r} is {others[0]!r}, where {total - count:,} of {total:,} cells are numbers. Correct"
        f" {'the other one' if count == 1 else f'the {count:,} others'}, or leave the cell empty"
    )
