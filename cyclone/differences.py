"""The differences between what serves and the release record, as plain values."""

from dataclasses import dataclass

TRAFFIC = "traffic"
"""The place of a difference that clients notice: other versions answer than the record says."""


@dataclass(frozen=True)
class Difference:
    """One difference from the release record: where it is, what was found, and what is wanted."""

    where: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}, wanted: {self.wanted}"
