"""Decisions about a retraining, and the sentences that give the reason with its numbers."""

from dataclasses import dataclass
from typing import Literal

from cyclone.checks.verdicts import CheckResult
from cyclone.spec import ModelSpec
from cyclone.wording import count_of, format_number

Action = Literal["retrain", "wait", "hold"]
Cause = Literal["upstream", "release", "pause", "failures", "budget"]
"""Why a person must look.

`upstream` is broken data. `release` is that what serves is not what the release record says. `pause` is retrainings
without gain. `failures` is retrainings that failed. `budget` is a week's budget that is spent.
"""


@dataclass(frozen=True)
class Decision:
    """What a monitor run or a request came to, with the reason in words.

    `retrain` opens or joins an incident. `wait` means that nothing is due, or that it is too soon. `hold` means that a
    person must look first.
    """

    action: Action
    reason: str
    cause: Cause | None = None
    """Why a person must look. None unless the action is `hold`."""

    @property
    def should_retrain(self) -> bool:
        return self.action == "retrain"

    @property
    def needs_person(self) -> bool:
        return self.action == "hold"


def describe_failed_check(spec: ModelSpec, result: CheckResult) -> str:
    """A failed verdict in words, such as `population_stability of wind 0.345 over 7 days on 168 rows is above 0.2`."""
    days = (result.window_end - result.window_start).days
    of_subject = "" if result.subject == "all" else f" of {result.subject}"
    limit = format_number(result.limit)
    is_named = result.kind == "error" and result.check_name in spec.monitor.error
    multiple = spec.monitor.error[result.check_name].limit if is_named else None
    if multiple is not None and result.limit is not None:
        limit = f"{multiple:g} × the accepted {format_number(result.limit / multiple)} = {limit}"
    return (
        f"{result.check_name}{of_subject} {format_number(result.value)}"
        f" over {count_of(days, 'day')}"
        f" on {result.sample_size} {'requests' if result.kind == 'service' else 'rows'} is above {limit}"
    )
