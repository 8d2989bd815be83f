"""Checks: measure the champion over a window, compare with the limits of `model.yaml`, record the verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from cyclone.errors import CheckError
from cyclone.measurements import CHECKS_DIR, CheckStatement, Measurement, load_check, measure
from cyclone.spec import Check, CheckKind, ModelSpec
from cyclone.store import Store

Verdict = Literal["passed", "failed", "no_data"]
BROKEN = "(broken check)"
NOTHING = "(no subject)"


@dataclass(frozen=True)
class CheckResult:
    """One verdict. `limit` is in the unit of `value`; the window is [start, end) in whole hours of event time."""

    kind: CheckKind
    check_name: str
    subject: str
    version: int
    value: float | None
    standard_error: float | None
    sample_size: int
    limit: float
    verdict: Verdict
    window_start: datetime
    window_end: datetime

    def to_json(self) -> dict[str, Any]:
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        times = {key: datetime.fromisoformat(data[key]) for key in ("window_start", "window_end")}
        return cls(**{**data, **times})


@dataclass(frozen=True)
class Champion:
    """The version that served at a moment, with the error it was accepted with."""

    version: int
    metric: str
    accepted_error: float


def judge(value: float | None, sample_size: int, limit: float, minimum_samples: int) -> Verdict:
    """`failed` above the limit; `no_data` without a value or with too few samples, which is never healthy.

    >>> judge(0.3, 200, limit=0.2, minimum_samples=150), judge(0.3, 100, limit=0.2, minimum_samples=150)
    ('failed', 'no_data')
    """
    if value is None or value != value or sample_size < minimum_samples:
        return "no_data"
    return "failed" if value > limit else "passed"


def find_champion(store: Store, model: str, at: datetime) -> Champion | None:
    """What served at `at`; None before the first promotion."""
    row = store.fetch_one("store/champion_at", model=model, at=at)
    return Champion(**row) if row else None


def evaluate_checks(
    store: Store,
    spec: ModelSpec,
    kind: CheckKind,
    window_end: datetime,
    run_id: str,
    checks_dir: Path = CHECKS_DIR,
) -> list[CheckResult]:
    """Run every check of one kind that `model.yaml` names, for the champion at `window_end`; none: no results.

    Windows end with the last whole hour up to `window_end`: an hour still filling up would judge live runs on
    other rows than a backfill. Verdicts are recorded once a run: repeating it returns what was recorded first.
    A broken check is recorded as `no_data` and stops no other.
    Errors: `ConfigurationError` for a check without a file, `CheckError` at the end naming every broken check.
    """
    checks = spec.monitor.checks(kind)
    statements = {name: load_check(kind, name, checks_dir) for name in checks}
    champion = find_champion(store, spec.name, window_end)
    if champion is None:
        return []
    results: list[CheckResult] = []
    broken: list[str] = []
    for name, check in checks.items():
        evaluation = _Evaluation(spec.name, kind, name, check, champion, floor_to_hour(window_end))
        try:
            results += evaluation.run(store, statements[name])
        except CheckError as error:
            broken.append(str(error))
            results.append(evaluation.judge(Measurement(BROKEN, None, None, 0)))
    recorded = _record(store, spec.name, kind, run_id, results)
    if broken:
        raise CheckError("; ".join(broken))
    return recorded


def floor_to_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def format_verdicts(results: Sequence[CheckResult]) -> str:
    """A plain text table for a task's log."""
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table

    if not results:
        return "nothing to check: no version served at the end of the window"
    table = Table(box=box.SIMPLE)
    for heading in ("check", "subject", "value", "± error", "limit", "samples", "days", "verdict"):
        table.add_column(heading, justify="left" if heading in ("check", "subject", "verdict") else "right")
    for result in results:
        numbers = (result.value, result.standard_error, result.limit)
        days = (result.window_end - result.window_start).days
        table.add_row(
            result.check_name,
            result.subject,
            *("-" if number is None else f"{number:.4g}" for number in numbers),
            str(result.sample_size),
            str(days),
            result.verdict,
        )
    output = StringIO()
    Console(file=output, width=120, color_system=None).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines() if line.strip()]
    return "\n".join([f"version {results[0].version}, up to {results[0].window_end:%Y-%m-%d %H:%M} UTC", *lines])


@dataclass(frozen=True)
class _Evaluation:
    """One check of one version over one window."""

    model: str
    kind: CheckKind
    name: str
    check: Check
    champion: Champion
    window_end: datetime

    @property
    def window_start(self) -> datetime:
        return self.window_end - timedelta(days=self.check.window_days)

    @property
    def limit(self) -> float:
        """In the unit of the value: for error checks the configured multiple of the accepted error."""
        return self.check.limit * (self.champion.accepted_error if self.kind == "error" else 1.0)

    def run(self, store: Store, statement: CheckStatement) -> list[CheckResult]:
        measurements = measure(
            store,
            statement,
            model=self.model,
            version=self.champion.version,
            window_start=self.window_start,
            window_end=self.window_end,
        )
        return [self.judge(item) for item in measurements or [Measurement(NOTHING, None, None, 0)]]

    def judge(self, measured: Measurement) -> CheckResult:
        verdict = judge(measured.value, measured.sample_size, self.limit, self.check.minimum_samples)
        return CheckResult(
            kind=self.kind,
            check_name=self.name,
            subject=measured.subject,
            version=self.champion.version,
            value=measured.value,
            standard_error=measured.standard_error,
            sample_size=measured.sample_size,
            limit=self.limit,
            verdict=verdict,
            window_start=self.window_start,
            window_end=self.window_end,
        )


def _record(
    store: Store, model: str, kind: CheckKind, run_id: str, results: Sequence[CheckResult]
) -> list[CheckResult]:
    with store.transaction() as transaction:
        for result in results:
            fields = asdict(result)
            limit = fields.pop("limit")
            transaction.run("store/check_record", run_id=run_id, model=model, limit_value=limit, **fields)
        rows = transaction.fetch("store/check_results_of_run", run_id=run_id, model=model, kind=kind)
    return [CheckResult(**row) for row in rows]
