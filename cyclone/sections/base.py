"""The base of all sections of a `model.yaml`, and the types that several of them use."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# Each part that gets the name takes it then: Cloud Run no hyphen at the end, an image's repository no three underscores
# in a row, and ids of DAGs are cut at two. 40 characters leave room for a version and a calibration in a revision's 63.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40)]

FromList = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""Turns a list into a tuple. YAML has only lists, and a frozen section may only hold tuples."""


class Section(BaseModel):
    """One section of a `model.yaml`. It cannot be changed, and refuses unknown keys and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
