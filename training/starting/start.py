"""A new model from data: its folder is written whole, once it has passed its own check, or not at all."""

import csv
import gzip
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from cyclone.errors import ConfigurationError, CycloneError, DataError
from cyclone.image_contract import PIPELINE_FILE, SPEC_FILE
from cyclone.sections import Name
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.times import DAY
from training.checking.pipeline import check_pipeline
from training.data.dataset import check_rows
from training.data.history import parse_time, read_history_frame
from training.starting.model_yaml import list_guesses, write_model_yaml
from training.starting.pipelines import write_pipeline
from training.starting.plan import Plan, build_plan
from training.starting.source import read_source

if TYPE_CHECKING:
    import pandas as pd

PLAIN_CELLS = 1_000_000
"""A history of more cells is gzipped. A smaller one can be looked at in any editor."""
SHARES = (0.25, 0.5, 0.75)
"""The shares of the days that may train the first version. The least that does leaves most to replay."""
MOST_FIRST_DAYS = 366
"""The most days that are left to the first version of a long history. A year has every season."""
FEW_ROWS_LIMITS: Sequence[dict[str, int]] = (
    {},
    {"minimum_rows": 50},
    {"minimum_rows": 20, "holdout_days": 2, "folds": 3},
    {"minimum_rows": 20, "holdout_days": 1, "folds": 2},
)
"""Keys of `retrain` for fewer and fewer rows and days. The first that the history meets are taken."""
TEST = '''"""`cyclone check {name}` as a test: model.yaml, every row of the history, and an answer of the service."""

from pathlib import Path

from cyclone.settings import Settings
from training.checking.check import check_model


def test_the_model_can_be_trained_and_served() -> None:
    folder = Path(__file__).resolve().parent
    assert check_model(Settings(models_dir=folder.parent), folder.name).faults == []
'''


@dataclass(frozen=True)
class Started:
    """A model that was written: its folder, the files in it, and what was guessed in lines."""

    folder: Path
    files: list[str]
    guesses: Sequence[str]


def start_model(settings: Settings, name: str, place: str, label: str, time: str = "", query: str = "") -> Started:
    """Write `models/<name>` from a file or a query. Nothing is overwritten.

    Errors: `ConfigurationError` for a name that is not allowed or exists. `DataError` when no model can be made of the
    data. Then nothing is written.
    """
    folder = settings.models_dir / name
    _check_name(name, folder)
    plan = build_plan(read_source(place, query), name, label, time)
    settings.models_dir.mkdir(parents=True, exist_ok=True)
    # A folder in the same place can be moved at once. It is no model to anybody, for its name is no name of one.
    with tempfile.TemporaryDirectory(dir=settings.models_dir, prefix=".init-") as draft:
        until = _write(plan, settings.model_copy(update={"models_dir": Path(draft)}))
        shutil.rmtree(Path(draft) / name / "__pycache__", ignore_errors=True)
        os.rename(Path(draft) / name, folder)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Started(folder, files, list_guesses(plan, until))


def _check_name(name: str, folder: Path) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ConfigurationError(
            f"{name!r} cannot name a model. Allowed are small letters, digits and single underscores between them, a"
            " letter first, at most 40"
        ) from error
    if folder.exists():
        raise ConfigurationError(f"{folder} exists, and nothing is overwritten. Take another name, or remove it first")


def _write(plan: Plan, settings: Settings) -> str:
    """Write all files and check them. Return `history_until`."""
    folder = settings.models_dir / plan.name
    (folder / "data").mkdir(parents=True)
    history = _write_history(plan, folder)
    is_count = (
        plan.label.task == "regression" and plan.label.keys["type"] == "integer" and plan.label.keys["range"][0] >= 0
    )
    pipeline, inputs = write_pipeline(plan.name, plan.label.task, plan.features, len(plan.rows), is_count)
    (folder / PIPELINE_FILE).write_text(pipeline)
    (folder / f"test_{plan.name}.py").write_text(TEST.format(name=plan.name))
    frame, reason = None, ""
    for until, limits in _list_tries(plan):
        (folder / SPEC_FILE).write_text(write_model_yaml(plan, inputs, history, until, limits))
        spec = load_model_spec(folder)
        frame = read_history_frame(spec, folder) if frame is None else frame
        reason = _find_reason(spec, frame)
        if not reason:
            check_pipeline(settings, spec, frame)
            return until
    # The rest of the reason speaks of keys of a model.yaml that is not kept.
    cause = reason.partition(". ")[0].removeprefix(f"{plan.name}: ")
    raise DataError(f"{plan.source.name}: no first version could be trained: {cause}. Add rows, or rows of more days")


def _list_tries(plan: Plan) -> Iterator[tuple[str, dict[str, int]]]:
    """The days that may be `history_until`, with what `retrain` asks for. Without one, all rows train."""
    days = plan.days
    for limits in FEW_ROWS_LIMITS:
        for share in SHARES:
            place = min(int(share * len(days)), MOST_FIRST_DAYS if share == SHARES[0] else len(days))
            if 0 < place < len(days):
                yield f"{days[place]:%Y-%m-%d}", limits
    for limits in FEW_ROWS_LIMITS:
        yield "", limits


def _find_reason(spec: ModelSpec, frame: "pd.DataFrame") -> str:
    """Why the rows whose labels are there at `history_until` cannot train a version. Empty when they can.

    A backtest and a replay begin at that day, and the labels of the days before it are still to come then.
    """
    until = parse_time(spec.history_until) if spec.history_until else datetime.now(UTC)
    labelled_until = until - spec.label.wait_days * DAY if spec.history_until else until
    try:
        check_rows(spec, frame[frame["created_at"] < labelled_until], until)
    except CycloneError as error:
        return str(error)
    return ""


def _write_history(plan: Plan, folder: Path) -> str:
    """Write the rows as Cyclone reads them, and return the file's name from the model's folder."""
    header = ["created_at", *(item.name for item in plan.features), plan.label_name]
    is_large = len(header) * len(plan.rows) > PLAIN_CELLS
    name = "data/history.csv.gz" if is_large else "data/history.csv"
    path = folder / name
    with gzip.open(path, "wt", newline="") if is_large else path.open("w", newline="") as file:
        assert isinstance(file, io.TextIOBase)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for created_at, cells, label in plan.rows:
            writer.writerow([created_at.strftime("%Y-%m-%dT%H:%M:%SZ"), *cells, label])
    return name
