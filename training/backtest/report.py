"""The result of a backtest as tables."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from cyclone.wording import count_of
from training.backtest.run import EQUAL_COUNT, Backtest, list_runs
from training.backtest.walk import Run

COLUMNS = {
    "against weekly": "the error beside that of retraining every seven days",
    "trained": "how many retrainings there were, the refused ones among them",
    "refused": "retrainings whose version did not pass the gate",
    "without gain": "refused, or no better than the one before over seven days, both corrected",
    "delay, days": "from when the daily error was above the limit for good, with the label's own delay",
    "corrected": "changes of the calibration, without the one that each version begins with",
}
"""The headings of the table after the error, each with what it means. With longer ones it is wider than a terminal."""
ROWS = {
    EQUAL_COUNT: "a calendar with as many retrainings as Cyclone, at equal distances",
    "never, raw": "no retraining and no calibration: the first version as it is",
    "never": "no retraining, calibrated daily",
    "best in hindsight": "the lowest error with as many retrainings, on days that nobody could know",
}
"""The rows whose names do not say what they are."""


def build_policy_table(backtest: Backtest) -> Table:
    """A table of the policy, its peers and the best schedule in hindsight. What its columns mean is under it."""
    metric = backtest.history.spec.error_metric
    first = backtest.history.time_of(backtest.start)
    last = backtest.history.time_of(backtest.history.day_count - 1)
    title = f"{backtest.history.spec.name}, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {metric}"
    table = Table(title=title, caption_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("policy")
    for heading in ("error", *COLUMNS):
        table.add_column(heading, justify="right")
    weekly = backtest.peers["weekly"].error if "weekly" in backtest.peers else 0.0
    for name, run in list_runs(backtest).items():
        table.add_row(name, *_describe_error(run.error, weekly), *_describe_run(run, is_own=run is backtest.policy))
    count = len(backtest.policy.retrainings)
    best = backtest.hindsight.find_error(count)
    table.add_row("best in hindsight", *_describe_error(best, weekly), str(count))
    table.caption = _describe(backtest)
    return table


def _describe_error(error: float, weekly: float) -> tuple[str, str]:
    return f"{error:.4g}", f"{error / weekly - 1:+.1%}" if weekly > 0 else ""


def _describe_run(run: Run, *, is_own: bool) -> tuple[str, ...]:
    delays = [item.delay_days for item in run.retrainings]
    refused = sum(not item.is_promoted for item in run.retrainings)
    counts = len(run.retrainings), refused, sum(item.is_false for item in run.retrainings)
    delay = f"{sum(delays) / len(delays):.1f}" if is_own and delays else ""
    return *map(str, counts), delay, str(run.recalibrations)


def _describe(backtest: Backtest) -> str:
    words = [f"{heading}: {meaning}" for heading, meaning in (COLUMNS | ROWS).items()]
    words[-1] += f", among versions {count_of(backtest.hindsight.every_days, 'day')} apart"
    words.append("All have the same versions, gate and daily calibrations, except where it says raw or hindsight.")
    limit = backtest.history.spec.retrain.error.limit
    ratio = f"{backtest.policy.highest_ratio:.2f} × the accepted (error.limit {limit:g})"
    words.append(f"A typical day's error rose to {ratio}")
    rate, count = backtest.stationary_triggers_per_year, len(backtest.stationary)
    if rate is not None:
        worlds = f"{count_of(count, 'world')} of the same days in random order"
        words.append(f"In {worlds}: {rate:.2f} triggers a year")
    if kinds := backtest.history.spec.retrain.triggering_checks:
        words.append(f"Not replayed: failed checks of kind {', '.join(kinds)} (triggered_by)")
    return "\n".join(words)


def build_retraining_table(backtest: Backtest) -> Table:
    """A table of every retraining with its reason or the gate's, and of every day on which holding began."""
    table = Table(title="What the policy did", show_lines=False)
    for heading in ("day", "outcome", "gain", "because"):
        table.add_column(heading, justify="right" if heading == "gain" else "left")
    lines: list[tuple[int, str, float | None, str]] = []
    for item in backtest.policy.retrainings:
        outcome, because = ("promoted", item.reason) if item.is_promoted else ("refused", item.gate)
        lines.append((item.day, outcome, item.gain, because))
    lines += [(day, "held", None, reason) for day, reason in _first_of_each_stretch(backtest.policy.holds)]
    for day, outcome, gain, reason in sorted(lines, key=lambda line: line[0]):
        shown = "" if gain is None else f"{gain:+.3g}"
        table.add_row(f"{backtest.history.time_of(day):%Y-%m-%d}", outcome, shown, reason)
    return table


def _first_of_each_stretch(holds: list[tuple[int, str]]) -> list[tuple[int, str]]:
    before = {day for day, _ in holds}
    return [(day, reason) for day, reason in holds if day - 1 not in before]
