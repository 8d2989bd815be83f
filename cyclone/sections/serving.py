"""The section `serving` of a `model.yaml`: the instances that serve a model, and what a request may hold."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cyclone.sections.base import Section

MIB, GIB = 2**20, 2**30
MEMORY_UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": MIB, "Gi": GIB}
"""The bytes of each unit of `serving.memory`."""
CLOUD_RUN_MEMORY_GIB = {"1": (0.5, 4), "2": (0.5, 8), "4": (2, 16), "6": (4, 24), "8": (4, 32)}
"""The least and most GiB that Cloud Run's second generation takes with each number of cores.

Source: https://cloud.google.com/run/docs/configuring/services/memory-limits
"""


class Serving(Section):
    """The resources of a model's instances, and what a request may hold.

    `concurrency` is the number of requests that an instance answers at once. `memory` is in bytes with a unit, such as
    `512Mi`.
    """

    concurrency: int = Field(default=40, ge=1, le=1000)
    min_instances: int = Field(default=1, ge=0, le=100)
    max_instances: int = Field(default=4, ge=1, le=1000)
    cpu: str = "1"
    """The cores of an instance. Cloud Run has no other numbers of whole cores.

    It also has parts of a core, but takes them away between requests. The log is sent then.
    """
    memory: str = Field(default="512Mi", pattern=r"^\d{1,12}([kMG]|[KMG]i)$")
    max_rows: int = Field(default=1000, ge=1, le=100_000)
    """The most rows of one request."""
    durability: Literal["spooled", "committed"] = "spooled"
    """What an answer waits for: its rows in the spool file, or in Postgres."""
    spool_mb: int = Field(default=64, ge=1, le=100_000)
    """The most megabytes of an instance's spool, where rows wait for Postgres.

    Beyond it, the newest rows are dropped and counted. On Cloud Run the spool takes memory, elsewhere disk.
    """
    conflicting_ids: Literal["refuse", "count"] = "refuse"
    """What becomes of a request with an id that was given to another row before.

    `refuse` answers 409 where the instance knows it. `count` answers it. Rows that are answered although their id is
    another row's are not in the log. The loss ledger counts them as `conflicting`, and the log is incomplete by them.
    """
    accept_created_at: bool = False
    """Whether clients may set a row's event time. In a replay they may, whatever this says."""

    @model_validator(mode="after")
    def _check_instances(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances {self.min_instances} is above max_instances {self.max_instances}")
        return self

    @field_validator("cpu")
    @classmethod
    def _check_cpu(cls, value: str) -> str:
        if value not in CLOUD_RUN_MEMORY_GIB:
            raise ValueError(f"Cloud Run has instances of {', '.join(CLOUD_RUN_MEMORY_GIB)} cores. Write one in quotes")
        return value

    @model_validator(mode="after")
    def _check_memory(self) -> Self:
        size = re.fullmatch(r"(\d+)(\D+)", self.memory)
        assert size is not None, "the pattern of `memory` is checked before"
        memory = int(size[1]) * MEMORY_UNITS[size[2]]
        least, most = CLOUD_RUN_MEMORY_GIB[self.cpu]
        if not least * GIB <= memory <= most * GIB:
            raise ValueError(
                f"memory {self.memory!r} with cpu {self.cpu!r}: Cloud Run takes {least:g}Gi to {most:g}Gi with so many"
                " cores. Change memory or cpu"
            )
        if self.spool_mb * MIB >= memory:
            raise ValueError(
                f"spool_mb {self.spool_mb} does not fit into memory {self.memory!r}, out of which Cloud Run takes it."
                " Make spool_mb smaller or memory larger"
            )
        return self
