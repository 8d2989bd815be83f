"""Reevaluation: judging past windows again.

A late row or label may change the verdicts of the windows that it falls into.
"""

from datetime import datetime
from pathlib import Path

from cyclone.checks.champion import Champion
from cyclone.checks.evaluation import judge_window, record
from cyclone.checks.measurements import CHECKS_DIR
from cyclone.checks.verdicts import CheckResult
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store, Transaction
from cyclone.times import floor_day


def reevaluate(
    store: Store, spec: ModelSpec, window_end: datetime, run_id: str, checks_dir: Path = CHECKS_DIR
) -> list[CheckResult]:
    """Judge past drift and error windows again if rows or labels were added to them. Return the changed verdicts.

    Call it after `roll_up`, with the end of the run's data interval. Windows that end with that day are left to the
    checks of the run itself. A window is judged for the version that it was recorded for.

    A verdict changes if its value, its sample size or its meaning changes. The changed verdict is recorded under
    `run_id`, beside the old one. The view `current_verdict` has the verdicts that hold now. The view `verdict_history`
    has every change. Repeating the call changes nothing.
    """
    with store.transaction() as transaction:
        marks = transaction.fetch_one("verdicts/reevaluation_take", model=spec.name)
        assert marks is not None, "the statement makes the watermark where there is none"
        before = floor_day(window_end)
        windows = transaction.fetch(
            "verdicts/reevaluation_windows",
            model=spec.name,
            before=before,
            label_delay=spec.label.delay,
            label_load=spec.label.load,
            **marks,
        )
        changed: list[CheckResult] = []
        for window in windows:
            changed += _judge_again(store, transaction, spec, window, checks_dir)
        record(transaction, spec.name, run_id, changed)
        transaction.run("verdicts/reevaluation_move", model=spec.name, counted=marks["counted"])
    return changed


def _judge_again(
    store: Store, transaction: Transaction, spec: ModelSpec, window: Row, checks_dir: Path
) -> list[CheckResult]:
    """The verdicts of a window that differ from the current ones. A check that has no current verdict is left out."""
    row = transaction.fetch_one("verdicts/version_accepted", model=spec.name, version=window["version"])
    # Without a reference profile there is nothing to judge by.
    if row is None:
        return []
    kind, window_end = window["kind"], window["window_end"]
    results = judge_window(store, spec, kind, Champion(**row), window_end, checks_dir)
    rows = transaction.fetch("verdicts/at", model=spec.name, kind=kind, window_end=window_end, run_id=None)
    holding = [held for row in rows if (held := CheckResult(**row)).version == window["version"]]
    known = {(held.check_name, held.window_start) for held in holding}
    same = {_describe(held) for held in holding}
    return [
        result
        for result in results
        if (result.check_name, result.window_start) in known and _describe(result) not in same
    ]


def _describe(result: CheckResult) -> tuple[object, ...]:
    """The fields in which two verdicts on a window have to agree to count as the same."""
    return (
        result.check_name,
        result.subject,
        result.window_start,
        result.version,
        result.value,
        result.sample_size,
        result.verdict,
    )
