"""The result of a backtest as tables and a picture."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cyclone.wording import count_of
from training.backtest.run import Backtest, iterate_summaries

if TYPE_CHECKING:
    import numpy as np

# A week holds one of each weekday, so the curve does not follow the weekdays.
ROLLING_DAYS = 7
COLOURS = {"never": "#b0b0b0", "monthly": "#d9822b", "weekly": "#7a9e3a", "daily": "#9467bd"}


def build_policy_table(backtest: Backtest) -> Table:
    """A table of the policy and its peers, with mean error, retrainings, those without gain, and delay in days."""
    metric = backtest.history.spec.error_metric
    first = backtest.history.time_of(backtest.start)
    last = backtest.history.time_of(backtest.history.day_count - 1)
    table = Table(title=f"{backtest.history.spec.name}, {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    table.add_column("policy")
    for heading in (metric, "against weekly", "retrainings", "without gain", "delay, days", "recalibrations"):
        table.add_column(heading, justify="right")
    found = list(iterate_summaries(backtest))
    weekly = next((error for name, error, _ in found if name == "weekly"), float("nan"))
    policy = backtest.policy
    false = sum(item.is_false for item in policy.retrainings)
    delays = [item.delay_days for item in policy.retrainings]
    for name, error, retrainings in found:
        own = name == "Cyclone"
        table.add_row(
            name,
            f"{error:.4g}",
            f"{error / weekly - 1:+.1%}" if weekly > 0 else "",
            str(retrainings),
            str(false) if own else "",
            f"{sum(delays) / len(delays):.1f}" if own and delays else "",
            str(policy.recalibrations) if own else "",
        )
    table.caption = _describe(backtest)
    return table


def _describe(backtest: Backtest) -> str:
    limit = backtest.history.spec.retrain.error.limit
    words = f"A typical day's error rose to {backtest.policy.highest_ratio:.2f} × the accepted (error.limit {limit:g})"
    rate, count = backtest.stationary_triggers_per_year, len(backtest.stationary)
    if rate is not None:
        worlds = f"{count_of(count, 'world')} of the same days in random order"
        words += f"\nIn {worlds}: {rate:.2f} triggers a year"
    kinds = backtest.history.spec.retrain.triggering_checks
    return words + (f"\nNot replayed: failed checks of kind {', '.join(kinds)} (triggered_by)" if kinds else "")


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


def draw_picture(backtest: Backtest, path: Path) -> None:
    """Draw the error of the policy and its peers as means over `ROLLING_DAYS`, and mark the policy's retrainings."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import dates as mdates
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(11, 4.5), layout="constrained")
    for name, (_, losses) in backtest.schedules.items():
        axes.plot(*_roll(backtest, losses), color=COLOURS[name], linewidth=1, label=name)
    axes.plot(*_roll(backtest, backtest.policy.losses), color="#0b6e99", linewidth=2, label="Cyclone")
    for item in backtest.policy.retrainings:
        moment = _to_number(backtest.history.time_of(item.day))
        axes.axvline(moment, color="#0b6e99", linestyle="-" if item.is_promoted else ":", linewidth=0.6)
    top = max(float(max(_roll(backtest, losses)[1])) for losses in _without_never(backtest))
    # A third of room above the highest curve is for the legend. Never retraining may be far above, and is cut off.
    axes.set_ylim(0, 1.3 * top)
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%Y-%m-%d"))
    axes.set_ylabel(f"{backtest.history.spec.error_metric}, {ROLLING_DAYS} days")
    axes.legend(ncols=5, frameon=False, loc="upper right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _without_never(backtest: Backtest) -> "list[np.ndarray[Any, Any]]":
    peers = [losses for name, (_, losses) in backtest.schedules.items() if name != "never"]
    return [backtest.policy.losses, *peers]


def _roll(backtest: Backtest, losses: "np.ndarray[Any, Any]") -> tuple[list[float], list[float]]:
    """Day numbers of Matplotlib, and the mean loss of the last `ROLLING_DAYS` days before each."""
    import numpy as np

    times, means = [], []
    for day in range(backtest.start + 1, backtest.history.day_count + 1):
        rows = backtest.history.rows_of(max(backtest.start, day - ROLLING_DAYS), day)
        if rows.stop > rows.start:
            times.append(_to_number(backtest.history.time_of(day)))
            means.append(float(np.mean(losses[rows])))
    return times, means


def _to_number(moment: datetime) -> float:
    from matplotlib import dates as mdates

    return float(mdates.date2num(moment))


def _first_of_each_stretch(holds: list[tuple[int, str]]) -> list[tuple[int, str]]:
    before = {day for day, _ in holds}
    return [(day, reason) for day, reason in holds if day - 1 not in before]
