"""`make bench-policy`: today's policy on real data sets and synthetic worlds, beside fair peers."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.figures import print_figures, read_small
from benchmarks.policy.data import NAMES
from benchmarks.policy.figures import (
    SetResult,
    WorldResult,
    compute_figures,
    find_cost_ratios,
    find_equal_count_ratio,
    find_settled_rate,
    find_stationary_rates,
    find_weekly_ratio,
)
from benchmarks.policy.late_labels import LabelsSize, measure_labels
from benchmarks.policy.measure import Size, measure_all
from cyclone.places import REPOSITORY
from training.backtest.picture import draw_picture
from training.backtest.run import EQUAL_COUNT
from training.backtest.walk import Run

FULL = Size(NAMES, {}, shuffles=3, world_days=365, seeds=3)
FULL_LABELS, SMALL_LABELS = LabelsSize(years=3, days=365), LabelsSize(years=1, days=40)
SMALL = Size(
    ("electricity", "bikes_high"),
    {"electricity": "2014-02-12", "bikes_high": "2011-02-12"},
    shuffles=1,
    world_days=15,
    seeds=1,
)


def main() -> None:
    """Measure, print the tables, draw a picture of each data set, and end with one line of JSON."""
    is_small = read_small(__doc__)
    size = SMALL if is_small else FULL
    sets, worlds = measure_all(size)
    console = Console(width=max(Console().width, 150))
    console.print(build_set_table(sets), build_cost_table(sets), build_shuffled_table(sets))
    console.print(build_world_table(worlds))
    rates = find_stationary_rates(sets, worlds)
    console.print(f"Retrainings a year where nothing changes: {rates}", highlight=False)
    folder = REPOSITORY / ".cyclone" / ("policy-small" if is_small else "policy")
    draw_pictures(sets, folder)
    console.print(f"Pictures: {folder}", highlight=False)
    late = measure_labels(SMALL_LABELS if is_small else FULL_LABELS)
    print_figures(compute_figures(sets, worlds) | late, is_small=is_small)


def build_set_table(sets: list[SetResult]) -> Table:
    """Errors with the numbers of retrainings, a line a data set."""
    table = Table(title="Errors (retrainings): same versions, gate and daily calibrations, except raw and hindsight")
    table.add_column("data")
    names = [EQUAL_COUNT, "weekly", "monthly", "never", "never, raw", "CUSUM", "ADWIN"]
    for heading in ("Cyclone", *names, "hindsight, same", "useless"):
        table.add_column(heading, justify="right")
    for item in sets:
        test = item.backtest
        own = test.policy
        best = test.hindsight.find_error(len(own.retrainings))
        peers = [_describe_run(test.peers[name]) for name in names]
        useless = str(sum(made.is_false for made in own.retrainings))
        table.add_row(item.name, _describe_run(own), *peers, f"{best:.4g}", useless)
    return table


def build_cost_table(sets: list[SetResult]) -> Table:
    """The ratios from which the figures come, a line a data set, and the lowest errors in hindsight."""
    table = Table(title="Ratios of the policy, and the lowest errors in hindsight by the number of retrainings")
    counts = (0, 1, 2, 4, 10, 27)
    for heading in ("data", "to equal count", "to weekly", "cost 1: to hindsight", "to best calendar"):
        table.add_column(heading, justify="left" if heading == "data" else "right")
    for count in counts:
        table.add_column(f"best {count}", justify="right")
    for item in sets:
        test = item.backtest
        ratios = find_equal_count_ratio(test), find_weekly_ratio(test), *find_cost_ratios(test, 1.0)
        best = (test.hindsight.find_error(count) for count in counts)
        table.add_row(item.name, *(f"{ratio:.3f}" for ratio in ratios), *(f"{error:.4g}" for error in best))
    return table


def build_shuffled_table(sets: list[SetResult]) -> Table:
    """Sums and means over the random orders of each data set's days, where time teaches nothing."""
    table = Table(title="The same days in random order, where a retraining costs what cost_days says")
    table.add_column("data")
    for heading in ("worlds", "retrainings", "without gain", "a year, settled", "error to never", "cost to never"):
        table.add_column(heading, justify="right")
    for item in sets:
        worlds, start = item.shuffled, item.backtest.start
        made = [retraining for world in worlds for retraining in world.policy.retrainings]
        rate = find_settled_rate([(world.policy, start, world.days) for world in worlds])
        errors = sum(world.policy.error / world.never.error for world in worlds) / len(worlds)
        costs = sum(world.cost_ratio for world in worlds) / len(worlds)
        counts = len(worlds), len(made), sum(one.is_false for one in made)
        table.add_row(item.name, *map(str, counts), f"{rate:.2f}", f"{errors:.3f}", f"{costs:.3f}")
    return table


def build_world_table(worlds: list[WorldResult]) -> Table:
    """Means over the seeds, a line a world."""
    table = Table(title="Synthetic worlds, where a retraining costs the errors of one day")
    for heading in ("world", "task", "retrainings", "without gain", "cost to best calendar", "won"):
        table.add_column(heading, justify="left" if heading in ("world", "task") else "right")
    groups: dict[tuple[str, str], list[WorldResult]] = {}
    for item in worlds:
        groups.setdefault((item.name, item.task), []).append(item)
    for (name, task), group in groups.items():
        made = sum(len(item.policy.retrainings) for item in group) / len(group)
        false = sum(made.is_false for item in group for made in item.policy.retrainings) / len(group)
        ratio = sum(item.own_cost / item.best_calendar_cost for item in group) / len(group)
        won = f"{sum(item.is_won for item in group)} of {len(group)}"
        table.add_row(name, task, f"{made:.1f}", f"{false:.1f}", f"{ratio:.3f}", won)
    return table


def draw_pictures(sets: list[SetResult], folder: Path) -> None:
    """A picture of each data set, as `cyclone backtest` draws it."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in sets:
        draw_picture(item.backtest, folder / f"{item.name}.png")


def _describe_run(run: Run) -> str:
    return f"{run.error:.4g} ({len(run.retrainings)})"


if __name__ == "__main__":
    main()
