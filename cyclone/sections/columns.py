"""The sections `features` and `label` of a `model.yaml`: the columns of a model's rows."""

import math
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cyclone.sections.base import FromList, Section

FeatureType = Literal["integer", "number", "category", "boolean", "text"]


def _refuse_rounded(value: object) -> object:
    for bound in value if isinstance(value, list | tuple) else ():
        is_integer = isinstance(bound, int) and not isinstance(bound, bool)
        if is_integer and (abs(bound) >= 2**63 or int(float(bound)) != bound):
            raise ValueError(f"a bound is {bound}, which a float would round. Allowed are integers up to 2^53")
    return value


Range = Annotated[tuple[float, float] | None, FromList, BeforeValidator(_refuse_rounded)]
"""The lowest and the highest number that is allowed."""


class Column(Section):
    """What a feature and the label have in common.

    `range` has the lowest and the highest number that is allowed. `values` lists the values of a category.
    """

    name: Annotated[str, Field(min_length=1, max_length=60)]
    type: FeatureType
    range: Range = None
    values: Annotated[tuple[str, ...] | None, FromList] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_bounds(self)
        return self

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each of `values`. A category may have thousands, among which none is sought one by one."""
        return {value: place for place, value in enumerate(self.values or ())}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values. pydantic would copy `places` too, which are those of the old ones."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("places", None)
        return copy


class Feature(Column):
    """One input of the model."""

    nullable: bool = False
    calendar: bool = False
    """Whether the feature moves with the calendar, as hour, weekday and season do. Drift checks leave it out."""


class Label(Column):
    """The true value of what was predicted. It is expected `expected_delay_hours` after its prediction."""

    type: Literal["integer", "number", "category", "boolean"]
    expected_delay_hours: float = Field(ge=0, le=366 * 24)
    """The hours after a prediction by which most labels are there. Error checks count a row from then on."""
    load_every_days: int = Field(default=0, ge=0, le=90)
    """The days between two loads, where labels come in bulk. 0 means that they come one by one.

    A label then comes up to so many days later than expected. The days of the last load are judged until the next.
    """

    @property
    def delay(self) -> timedelta:
        """The time from a prediction to when its label is expected."""
        return timedelta(hours=self.expected_delay_hours)

    @property
    def load(self) -> timedelta:
        """The time between two loads. It is nothing where labels come one by one."""
        return timedelta(days=self.load_every_days)

    @property
    def wait_days(self) -> int:
        """Whole days until all labels of a day are known, by the expected delay and the rhythm of the loads."""
        return math.ceil(self.expected_delay_hours / 24) + self.load_every_days


def _check_bounds(field: Column) -> None:
    if field.range is not None and field.type not in ("integer", "number"):
        raise ValueError(f"range is for type integer and number, and {field.name!r} is {field.type}")
    if field.range is not None and field.range[0] >= field.range[1]:
        raise ValueError(f"range {list(field.range)} must have its lower bound first")
    if field.range is not None and field.type == "integer" and math.ceil(field.range[0]) > field.range[1]:
        raise ValueError(f"range {list(field.range)} holds no integer, and {field.name!r} is one")
    if (field.type == "category") != (field.values is not None):
        raise ValueError(f"values are needed for a category and only there, and {field.name!r} is {field.type}")
    if any("\0" in value for value in field.values or ()):
        raise ValueError(f"values of {field.name!r} hold \\u0000, which Postgres cannot store")
    if field.values is not None and (not field.values or len(set(field.values)) != len(field.values)):
        raise ValueError(f"values {list(field.values)} must be distinct and not empty")
