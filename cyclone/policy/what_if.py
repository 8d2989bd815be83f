"""What-if: what a changed configuration would have decided on past days. Nothing is recorded."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from rich.table import Table

from cyclone.checks.champion import list_answering
from cyclone.checks.evaluation import find_window_end, judge_window
from cyclone.checks.measurements import CHECKS_DIR
from cyclone.checks.verdicts import CheckResult
from cyclone.errors import ConfigurationError
from cyclone.policy.decisions import Decision
from cyclone.policy.evidence import collect_evidence
from cyclone.policy.rules import decide
from cyclone.sections import CheckKind
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, floor_day
from cyclone.wording import format_number

Key = tuple[int, str, str, str]


@dataclass(frozen=True)
class PastDay:
    """The verdicts on the windows that end with one day.

    `results` are judged with the changed configuration. `recorded` are the verdicts in the store, by version,
    kind, check and subject.
    """

    window_end: datetime
    results: list[CheckResult]
    recorded: dict[Key, CheckResult]
    decision: Decision

    @property
    def changed(self) -> list[tuple[CheckResult, CheckResult | None]]:
        """The pairs of a new and a recorded verdict that differ. The second is None where nothing was recorded."""
        pairs = [(result, self.recorded.get(_find_key(result))) for result in self.results]
        return [(new, old) for new, old in pairs if old is None or new.verdict != old.verdict]

    def to_json(self) -> dict[str, Any]:
        """The day's decision, and each verdict that differs from the recorded one."""
        return {
            "window_end": self.window_end,
            "action": self.decision.action,
            "reason": self.decision.reason,
            "changed": [
                {
                    "check": new.check_name,
                    "subject": new.subject,
                    "version": new.version,
                    "value": new.value,
                    "limit": new.limit,
                    "verdict": new.verdict,
                    "recorded_limit": old.limit if old else None,
                    "recorded_verdict": old.verdict if old else None,
                }
                for new, old in self.changed
            ],
        }


def judge_unrecorded(store: Store, spec: ModelSpec, kind: CheckKind, moment: datetime) -> list[CheckResult]:
    """The verdicts that `evaluate_checks` would record at a moment. Empty while nothing serves."""
    end = find_window_end(kind, moment)
    versions = list_answering(store, spec.name, moment, end)
    return [item for version in versions for item in judge_window(store, spec, kind, version, end, CHECKS_DIR)]


def judge_past(store: Store, spec: ModelSpec, since: datetime, until: datetime) -> Iterator[PastDay]:
    """Judge every day's end from `since` to `until` by `spec`. The roll-ups give the numbers.

    Versions and retrainings are those that really happened. What another decision would have led to is not played out.
    Errors: `ConfigurationError` when no day of UTC ends between the two moments.
    """
    first = floor_day(since)
    day = first if first >= since else first + DAY
    if day > until:
        raise ConfigurationError(
            f"{spec.name}: no day of UTC ends between {since:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M}:"
            " give a --from and a --to with a midnight between them"
        )
    while day <= until:
        results = [item for kind in get_args(CheckKind) for item in judge_unrecorded(store, spec, kind, day)]
        rows = store.fetch("verdicts/at", model=spec.name, kind=None, window_end=day, run_id=None)
        recorded = {_find_key(verdict): verdict for verdict in (CheckResult(**row) for row in rows)}
        decision = decide(spec, collect_evidence(store, spec, results, day))
        yield PastDay(day, results, recorded, decision)
        day += DAY


def build_change_table(day: PastDay) -> Table:
    """A table of the verdicts of one day that differ from the recorded ones."""
    table = Table("check", "subject", "value", "limit", "verdict", "recorded limit", "recorded verdict")
    for new, old in day.changed:
        recorded = (format_number(old.limit), old.verdict) if old else ("-", "-")
        limit = format_number(new.limit)
        table.add_row(new.check_name, new.subject, format_number(new.value), limit, new.verdict, *recorded)
    return table


def _find_key(result: CheckResult) -> Key:
    return result.version, result.kind, result.check_name, result.subject
