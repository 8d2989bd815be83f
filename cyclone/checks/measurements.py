"""Measurements: run the SQL of a check and hold it to its contract.

The contract is one row a subject, the known columns, and finite numbers or null.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.checks.verdicts import Measurement
from cyclone.errors import CheckError, ConfigurationError, StatementError
from cyclone.places import SHIPPED_ROOT
from cyclone.store import Row, Selection, Store

CHECKS_DIR = SHIPPED_ROOT / "sql" / "checks"
"""The folder of the checks that Cyclone brings along, one folder a kind."""
COLUMNS = ({"subject", "value", "sample_size"}, {"subject", "value", "sample_size", "standard_error"})
"""The two sets of columns that a check may return."""


@dataclass(frozen=True)
class CheckStatement:
    """A check's SQL. Its name is the path below the folder of checks, such as `drift/population_stability`."""

    name: str
    sql: str


def load_check(kind: str, name: str, folder: Path = CHECKS_DIR) -> CheckStatement:
    """Read `<folder>/<kind>/<name>.sql`. Errors: `ConfigurationError` naming the checks that exist."""
    path = folder / kind / f"{name}.sql"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in (folder / kind).glob("*.sql"))) or "none"
        raise ConfigurationError(f"{kind} check {name!r}: {path} does not exist. The {kind} checks there: {known}")
    return CheckStatement(f"{kind}/{name}", path.read_text())


def measure(store: Store, check: CheckStatement, **parameters: Any) -> list[Measurement]:
    """Run a check in a read-only transaction.

    Errors: `CheckError` naming the check when its SQL fails or breaks the contract. `StoreError` when the store does
    not answer.
    """
    columns, rows = select(store, check, parameters)
    if set(columns) not in COLUMNS or len(columns) != len(set(columns)):
        raise CheckError(
            f"check {check.name} returns the columns {', '.join(columns)}."
            " Needed are subject, value and sample_size, and standard_error where there is one"
        )
    measurements = [_read_row(check.name, row) for row in rows]
    for subject, count in Counter(item.subject for item in measurements).items():
        if count > 1:
            raise CheckError(f"check {check.name} returns {count} rows for {subject!r}. One row a subject is allowed")
    return measurements


def select(store: Store, check: CheckStatement, parameters: Mapping[str, Any]) -> Selection:
    try:
        with store.transaction("read") as transaction:
            return transaction.select(check.sql, **parameters)
    except StatementError as error:
        if error.cause == "parameter":
            raise CheckError(
                f"check {check.name}: {error} is no parameter. Parameters are {', '.join(parameters)}."
                " Write them %(name)s, and a literal % as %%"
            ) from error
        verb = "was stopped" if error.cause == "stopped" else "does not run"
        raise CheckError(f"check {check.name} {verb}: {error}") from error


def _read_row(check: str, row: Row) -> Measurement:
    subject, sample_size = row["subject"], row["sample_size"]
    if not isinstance(subject, str) or not subject:
        raise CheckError(f"check {check} returns the subject {subject!r}. A text that is not empty is needed")
    if not isinstance(sample_size, int) or isinstance(sample_size, bool) or sample_size < 0:
        raise CheckError(
            f"check {check} returns for {subject!r} the sample_size {sample_size!r}. A bigint from 0 is needed"
        )
    value = _read_number(check, subject, "value", row["value"])
    standard_error = _read_number(check, subject, "standard_error", row.get("standard_error"))
    return Measurement(subject, value, standard_error, sample_size)


def _read_number(check: str, subject: str, column: str, raw: Any) -> float | None:
    """A finite number, or None for null and NaN. Errors: `CheckError` for infinity and for what is no number."""
    try:
        number = None if raw is None else float(raw)
    except (TypeError, ValueError):
        number = math.inf
    if isinstance(raw, (bool, str)) or number in (math.inf, -math.inf):
        raise CheckError(
            f"check {check} returns for {subject!r} the {column} {raw!r}. A finite number or null is needed"
        )
    return None if number is None or math.isnan(number) else number
