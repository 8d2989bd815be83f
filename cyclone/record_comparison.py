"""What truly serves beside the release record, as the monitor has compared it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from cyclone.differences import Difference
from cyclone.spec import load_model_specs
from cyclone.store import Store


def note_comparison(
    store: Store, model: str, run_id: str, at: datetime, differences: Sequence[Difference], is_mended: bool
) -> None:
    """Record what a comparison has found. A repeat of what the run has found last adds nothing. `at` is event time."""
    found = json.dumps([asdict(item) for item in differences])
    store.run("release/comparison_record", model=model, run_id=run_id, at=at, differences=found, is_mended=is_mended)


def read_differences(store: Store, model: str, at: datetime) -> list[Difference]:
    """The differences that the newest comparison up to `at` has found and left. Empty before the first comparison."""
    row = store.fetch_one("release/comparison", model=model, at=at)
    return [Difference(**item) for item in row["differences"]] if row and not row["is_mended"] else []


def find_unwatched(store: Store, models_dir: Path) -> list[Difference]:
    """The models that serve by the record and have no usable folder, so that no DAG watches them."""
    watched = {spec.name for spec in load_model_specs(models_dir)[0]}
    return [
        Difference(
            f"model {row['model']}",
            f"version {row['version']} serves, and no folder in {models_dir} can be used",
            f"its folder with a correct model.yaml, or `cyclone retire {row['model']}`",
        )
        for row in store.fetch("release/recorded")
        if row["model"] not in watched
    ]
