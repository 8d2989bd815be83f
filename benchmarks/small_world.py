"""A world for a small run of the demo: bike demand that doubles on its first day, and a model that looks soon.

In the real world the first alarm comes after about twenty days, each of which is a run of Airflow's monitor. Here the
third labelled day is enough. What happens then is the same.
"""

import csv
import shutil
from pathlib import Path
from typing import Any

import yaml

from cyclone.places import REPOSITORY
from cyclone.spec import ModelSpec, load_model_spec

MODEL = "bike_demand"
GROWTH = 2
SECTIONS: dict[str, dict[str, Any]] = {
    # The first release counts as a retraining, so its cooldown would outlast a small run. The one day that the
    # challenger sees of the new demand has to weigh more than a month of the old one, or it would learn nothing.
    "retrain": {"cooldown_days": 0, "holdout_days": 1, "half_life_days": 1},
    # A correction would mend a doubled demand before its error is an alarm.
    "recalibrate": {"enabled": False},
    # A request an hour: this canary takes half a day instead of two.
    "release": {"steps": [50, 100]},
}


def make_small_world(models: Path) -> Path:
    """Copy the demo's model into the folder `models`, with `SECTIONS` and its demand grown. Return the folder."""
    folder = models / MODEL
    shutil.copytree(REPOSITORY / "models" / MODEL, folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "model.yaml"
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**data, **{name: data.get(name, {}) | new for name, new in SECTIONS.items()}}))
    grow_demand(load_model_spec(folder), folder)
    return models


def grow_demand(spec: ModelSpec, folder: Path) -> None:
    """Multiply the labels of the history that are to be replayed."""
    path = folder / str(spec.history)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["created_at"] >= str(spec.history_until):
            row[spec.label.name] = str(GROWTH * int(row[spec.label.name]))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
