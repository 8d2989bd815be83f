"""The real data sets of `make bench-policy`, which are the model folders under `benchmarks/models`.

For the arrays of one of them:

    from benchmarks.policy.data import load_set
    from training.backtest.matrix import Matrix

    data = load_set("electricity")
    history, start = data.history, data.start  # history.days, history.numbers: the day and the label of each row
    matrix = Matrix(history, data.build)
    raw = matrix.answer(60, history.rows_of(60, 90))  # of the version trained on day 60, fitted once
    losses = matrix.measure(60, 60, 90)  # of its rows on days 60 to 89, as corrected on each of them
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_spec
from training.backtest.commands import EstimatorOf
from training.backtest.history import History, build_history, cut_history, find_start
from training.data.history import parse_time

FOLDER = Path(__file__).parents[1] / "models"
NAMES = ("electricity", "bikes", "bikes_high", "flights_late", "departures", "bank_calls", "chicago", "rainfall")
"""All data sets, those with many rows a day first. `chicago` and `rainfall` have one."""


@dataclass(frozen=True)
class DataSet:
    """One data set, ready to be replayed from the day `start` on."""

    history: History
    build: EstimatorOf
    start: int

    @property
    def name(self) -> str:
        return self.history.spec.name


def load_set(name: str, until: str | None = None) -> DataSet:
    """A data set by its name, or only its rows before the day `until`."""
    spec = load_spec(name)
    frame = import_module(f"benchmarks.models.{name}.data").read_rows()
    history = build_history(spec, cut_history(frame, parse_time(until) if until else None))
    assert spec.history_until
    start = find_start(history, parse_time(spec.history_until))
    return DataSet(history, EstimatorOf(Settings(models_dir=FOLDER), spec), start)


def load_spec(name: str) -> ModelSpec:
    """The spec of a data set."""
    return load_model_spec(FOLDER / name)
