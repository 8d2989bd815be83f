"""What the doctor finds, one line a part."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from cyclone.errors import CycloneError

State = Literal["well", "fault", "absent"]


@dataclass(frozen=True)
class Diagnosis:
    """One part of an installation. `absent` is a part that is not configured, which is no fault.

    `remedy` is the command, or the step, that mends a fault.
    """

    part: str
    state: State
    said: str
    remedy: str = ""


Check = Callable[[], Iterator[Diagnosis]]
"""A function that looks at one part. A `CycloneError` in it is a fault too."""


def well(part: str, said: str) -> Diagnosis:
    """A part that is as it should be."""
    return Diagnosis(part, "well", said)


def fault(part: str, said: str, remedy: str) -> Diagnosis:
    """A part that something is wrong with."""
    return Diagnosis(part, "fault", said, remedy)


def absent(part: str, said: str) -> Diagnosis:
    """A part that is not configured."""
    return Diagnosis(part, "absent", said)


def run_check(part: str, check: Check, remedy: str) -> list[Diagnosis]:
    """The findings of a check. What it raises is a fault of the part, which the remedy mends."""
    findings = list[Diagnosis]()
    try:
        findings.extend(check())  # one by one, so that what was found before an error counts
    except CycloneError as error:
        findings.append(fault(part, str(error), remedy))
    except Exception as error:  # whatever a library raises, the other parts are still to be looked at
        findings.append(fault(part, f"{type(error).__name__}: {error}", remedy))
    return findings
