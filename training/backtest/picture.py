"""The result of a backtest as a picture: the error against the number of retrainings, and the error over time."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.backtest.run import EQUAL_COUNT, Backtest, list_runs
from training.backtest.walk import Run

if TYPE_CHECKING:
    pass

# A week holds one of each weekday, so the curve does not follow the weekdays.
ROLLING_DAYS = 7
OWN_COLOUR = "#0b6e99"
COLOURS = {
    EQUAL_COUNT: "#7d5ba6",
    "never, raw": "#d0d0d0",
    "never": "#909090",
    "monthly": "#d9822b",
    "weekly": "#7a9e3a",
    "daily": "#c23b6b",
}
OTHER_COLOURS = ("#17becf", "#8c564b")
"""The colours of peers that a benchmark adds."""
CALENDARS = (EQUAL_COUNT, "never", "monthly", "weekly")
"""The peers on the curve of calendars. Daily retraining would stretch it, and what is raw belongs to no curve."""
CALENDAR_COLOUR, HINDSIGHT_COLOUR = "#d9822b", "#303030"


def draw_picture(backtest: Backtest, path: Path) -> None:
    """Draw the errors of the policy and its peers against their numbers of retrainings, and as they went over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(15, 5), width_ratios=(2, 3), layout="constrained")
    _draw_counts(backtest, left)
    _draw_times(backtest, right)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_counts(backtest: Backtest, axes: Any) -> None:
    from matplotlib.ticker import ScalarFormatter

    hindsight = dict(enumerate(backtest.hindsight.errors))
    most = max(1, len(backtest.policy.retrainings), *backtest.curve)
    named = {name: (len(run.retrainings), run.error) for name, run in backtest.peers.items() if name in CALENDARS}
    calendars = backtest.curve | dict(named.values())
    for label, colour, curve in (
        ("calendars", CALENDAR_COLOUR, calendars),
        ("best in hindsight", HINDSIGHT_COLOUR, {count: error for count, error in hindsight.items() if count <= most}),
    ):
        axes.plot(sorted(curve), [curve[count] for count in sorted(curve)], ".-", color=colour, label=label)
    for name in sorted(backtest.peers.keys() - COLOURS.keys()):
        run = backtest.peers[name]
        axes.plot(len(run.retrainings), run.error, "o", color=_find_colour(backtest, name), label=name)
    own = backtest.policy
    axes.plot(len(own.retrainings), own.error, "*", color=OWN_COLOUR, markersize=14, label="Cyclone")
    # Most of what is to be seen lies at few retrainings, and there may be hundreds.
    axes.set_xscale("symlog", linthresh=10)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xticks([0, 1, 2, 5, *(tick for tick in (10, 20, 50, 100, 200, 500) if tick <= most)])
    axes.set_xlabel("retrainings")
    axes.set_ylabel(f"{backtest.history.spec.error_metric}, mean of all rows")
    axes.legend(frameon=False)


def _draw_times(backtest: Backtest, axes: Any) -> None:
    from matplotlib import dates as mdates

    curves = {name: _roll(backtest, run) for name, run in list_runs(backtest).items()}
    for name, curve in curves.items():
        is_own = name == "Cyclone"
        axes.plot(*curve, color=_find_colour(backtest, name), linewidth=2 if is_own else 1, label=name)
    for item in backtest.policy.retrainings:
        moment = _to_number(backtest.history.time_of(item.day))
        axes.axvline(moment, color=OWN_COLOUR, linestyle="-" if item.is_promoted else ":", linewidth=0.6)
    top = max(max(means) for name, (_, means) in curves.items() if not name.startswith("never"))
    # A third of room above the highest curve is for the legend. Never retraining may be far above, and is cut off.
    axes.set_ylim(0, 1.3 * top)
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%Y-%m-%d"))
    axes.set_ylabel(f"{backtest.history.spec.error_metric}, {ROLLING_DAYS} days")
    axes.legend(ncols=4, frameon=False, loc="upper right")


def _find_colour(backtest: Backtest, name: str) -> str:
    others = [peer for peer in backtest.peers if peer not in COLOURS]
    named = {"Cyclone": OWN_COLOUR} | COLOURS | dict(zip(others, OTHER_COLOURS, strict=False))
    return named[name]


def _roll(backtest: Backtest, run: Run) -> tuple[list[float], list[float]]:
    """Day numbers of Matplotlib, and the mean loss of the last `ROLLING_DAYS` days before each."""
    import numpy as np

    times, means = [], []
    for day in range(backtest.start + 1, backtest.history.day_count + 1):
        rows = backtest.history.rows_of(max(backtest.start, day - ROLLING_DAYS), day)
        if rows.stop > rows.start:
            times.append(_to_number(backtest.history.time_of(day)))
            means.append(float(np.mean(run.losses[rows])))
    return times, means


def _to_number(moment: datetime) -> float:
    from matplotlib import dates as mdates

    return float(mdates.date2num(moment))
