"""`make backtest`: the default policy on 2011 beside retraining on schedules, and the speed of a dataset."""

import contextlib
import io
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.figures import print_figures, read_small
from cyclone.places import REPOSITORY
from cyclone.sections import Recalibrate, Retrain
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port
from training.backtest.commands import EstimatorOf
from training.backtest.history import build_history, cut_history, find_start
from training.backtest.report import build_policy_table, build_retraining_table, draw_picture
from training.backtest.run import Backtest, iterate_summaries, run_backtest
from training.data.history import parse_time, read_history_frame
from training.data.known_rows import read_known_rows

if TYPE_CHECKING:
    import pandas as pd

MODEL = REPOSITORY / "models" / "bike_demand"
HIGH_DEMAND_SHARE = 0.8
"""The share of the hours so far whose demand is lower than that of an hour of high demand."""
SERVED_ONCE = """
INSERT INTO prediction_log (model, id, version, revision, input, prediction, created_at)
SELECT 'bench', 'row-' || n, 1, 'bench-v1', jsonb_build_object(
    'a', n %% 24, 'b', n %% 7, 'c', n %% 2 = 0, 'd', 'clear', 'e', n %% 1000 / 1000.0::float8,
    'f', n %% 997 / 997.0::float8, 'g', n %% 991 / 991.0::float8, 'h', n %% 983 / 983.0::float8,
    'i', n %% 977 / 977.0::float8, 'j', n %% 971
), '1.5', '2011-01-01T00:00:00Z'::timestamptz + n * interval '1 second'
FROM generate_series(1, %(rows)s) AS n
"""
LABELLED_ONCE = """
INSERT INTO label (model, id, label, observed_at)
SELECT 'bench', 'row-' || n, to_jsonb(n %% 500), '2011-01-02T00:00:00Z'::timestamptz + n * interval '1 second'
FROM generate_series(1, %(rows)s) AS n
"""
READ_SQL = (
    "SELECT id, created_at, input, label FROM training_row('bench', 'infinity', '-infinity') ORDER BY created_at, id"
)
COPY_JSONB = "COPY (SELECT id, created_at, {columns} FROM prediction_log WHERE model = 'bench') TO STDOUT (FORMAT csv)"
TYPED = """
CREATE TEMPORARY TABLE typed AS
SELECT id, created_at, row.* FROM prediction_log, jsonb_to_record(input) AS row (
    a bigint, b bigint, c boolean, d text, e float8, f float8, g float8, h float8, i float8, j bigint
)
"""
COPY_TYPED = "COPY typed TO STDOUT (FORMAT csv)"


@dataclass(frozen=True)
class BacktestSize:
    """How much is replayed and read."""

    end: str
    """The day before which the replay ends."""
    worlds: int
    dataset_rows: int
    rounds: int
    picture: str


FULL = BacktestSize("2012-01-01", worlds=8, dataset_rows=400_000, rounds=5, picture="backtest.png")
SMALL = BacktestSize("2011-03-10", worlds=1, dataset_rows=5_000, rounds=1, picture="backtest-small.png")


def main() -> None:
    """Measure, print the tables, draw the picture, and end with one line of JSON."""
    console = Console()
    is_small = read_small(__doc__)
    size = SMALL if is_small else FULL
    spec = load_model_spec(MODEL)
    # The model turns corrections off, because a day of the demo is shorter than the start of one. Days here are days.
    spec = spec.model_copy(update={"retrain": Retrain(), "recalibrate": Recalibrate()})
    frame = cut_history(read_history_frame(spec, MODEL), parse_time(size.end))
    regression = replay(console, spec, frame, EstimatorOf(Settings(), spec), size.worlds)
    console.print(build_retraining_table(regression), build_policy_table(regression))
    picture = REPOSITORY / ".cyclone" / size.picture
    picture.parent.mkdir(exist_ok=True)
    draw_picture(regression, picture)
    console.print(f"Picture: {picture}", highlight=False)
    classifier = build_classifier_spec(spec)
    classification = replay(console, classifier, label_high_demand(frame), build_classifier, size.worlds)
    console.print(build_policy_table(classification))
    figures = {
        **summarise(regression, "mae"),
        **summarise(classification, "log_loss"),
        **measure_dataset(console, size),
    }
    print_figures(figures, is_small=is_small)


def replay(console: Console, spec: ModelSpec, frame: "pd.DataFrame", build: Callable[[], Any], worlds: int) -> Backtest:
    """The backtest of a model on the rows of `frame`, in `worlds` worlds without drift too. Prints its progress."""
    history = build_history(spec, frame)
    start = find_start(history, parse_time(spec.history_until or "2011-02-01"))
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"{spec.error_metric}: {history.day_count - start} days", total=1.0)
        return run_backtest(history, build, start, worlds, lambda _, share: progress.update(task, completed=share))


def summarise(backtest: Backtest, name: str) -> dict[str, float | int | None]:
    """The figures under the keys of the benchmark. Those of the classification end with the name of its metric."""
    errors = {policy: round(error, 4) for policy, error, _ in iterate_summaries(backtest)}
    policy = backtest.policy
    rate = backtest.stationary_triggers_per_year
    end = "" if name == "mae" else f"_{name}"
    return {
        name: errors["Cyclone"],
        f"retrainings{end}": len(policy.retrainings),
        f"false_retrainings{end}": sum(item.is_false for item in policy.retrainings),
        f"recalibrations{end}": policy.recalibrations,
        f"{name}_never": errors["never"],
        f"{name}_weekly": errors["weekly"],
        f"retrainings_weekly{end}": backtest.schedules["weekly"][0].retrainings,
        f"{name}_monthly": errors["monthly"],
        f"{name}_daily": errors["daily"],
        f"stationary_triggers_per_year{end}": None if rate is None else round(rate, 3),
    }


def build_classifier_spec(spec: ModelSpec) -> ModelSpec:
    """The same model, asked whether the hour is one of high demand. All else is the default."""
    data = spec.model_dump(exclude={"monitor", "retrain", "recalibrate", "label"})
    label = {"name": "is_high", "type": "boolean", "expected_delay_hours": spec.label.expected_delay_hours}
    return ModelSpec.model_validate({**data, "task": "binary", "label": label})


def label_high_demand(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows, labelled by whether the demand is above the 80th percentile of all hours from January to that hour."""
    ordered = frame.sort_values("created_at", kind="stable")
    return ordered.assign(label=ordered["label"] > ordered["label"].expanding().quantile(HIGH_DEMAND_SHARE))


def build_classifier() -> Any:
    """The estimator of the classification."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)


def measure_dataset(console: Console, size: BacktestSize) -> dict[str, float]:
    """Rows a second from the store into a typed frame, in turns with pandas.read_sql on the same rows."""
    with (
        temporary_state("bench-dataset") as folder,
        EmbeddedPostgres.start(folder, free_port(0), ("bench",)) as postgres,
    ):
        store = Store(postgres.dsn("bench"))
        _fill(store, size.dataset_rows)
        ours, theirs = _measure_in_turns(store, size)
        bounds = _measure_postgres(store, size)
    table = Table(
        title=f"{size.dataset_rows:,} rows of ten features from Postgres into a typed frame, median of {size.rounds}"
    )
    table.add_column("reader")
    table.add_column("rows a second", justify="right")
    table.add_row("Cyclone: rows and labels by COPY, parsed, joined and sorted by Arrow", f"{ours:,.0f}")
    table.add_row("pandas.read_sql on JSONB, then a frame of the features", f"{theirs:,.0f}")
    table.add_row("Postgres alone: the rows' JSONB as text, no labels, thrown away", f"{bounds[0]:,.0f}")
    table.add_row("Postgres alone: the same from a table of typed columns", f"{bounds[1]:,.0f}")
    console.print(table)
    return {"dataset_rows_per_second": round(ours), "read_sql_rows_per_second": round(theirs)}


def _measure_postgres(store: Store, size: BacktestSize) -> list[float]:
    """Rows a second that leave Postgres: as they are stored, and from a table of typed columns."""
    columns = ", ".join(f"input ->> '{name}'" for name in "abcdefghij")
    found = []
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(TYPED)
        for statement in (COPY_JSONB.format(columns=columns), COPY_TYPED):
            took = []
            for _ in range(size.rounds):
                began = time.perf_counter()
                cursor.copy_expert(statement, io.BytesIO())
                took.append(time.perf_counter() - began)
            found.append(size.dataset_rows / statistics.median(took))
    return found


def _fill(store: Store, rows: int) -> None:
    store.migrate()
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(
            "SELECT ensure_partition(parent, '2011-01-01'::timestamptz + month * interval '1 month')"
            " FROM unnest(ARRAY['prediction_log', 'label']) AS parent, generate_series(0, 2) AS month"
        )
        cursor.execute(SERVED_ONCE, {"rows": rows})
        cursor.execute(LABELLED_ONCE, {"rows": rows})
        cursor.execute("ANALYZE prediction_log")
        cursor.execute("ANALYZE label")


def _measure_in_turns(store: Store, size: BacktestSize) -> tuple[float, float]:
    spec = build_bench_spec()
    settings = Settings(store_dsn=store.dsn)
    ours, theirs = [], []
    for _ in range(size.rounds):
        began = time.perf_counter()
        assert len(read_known_rows(settings, spec).frame) == size.dataset_rows
        between = time.perf_counter()
        assert len(_read_sql(store, spec)) == size.dataset_rows
        ours.append(size.dataset_rows / (between - began))
        theirs.append(size.dataset_rows / (time.perf_counter() - between))
    return statistics.median(ours), statistics.median(theirs)


def build_bench_spec() -> ModelSpec:
    """A model with ten features of four types."""
    types = ["integer", "integer", "boolean", "category", *["number"] * 5, "integer"]
    features = [
        {"name": name, "type": kind, **({"values": ["clear", "rain"]} if kind == "category" else {})}
        for name, kind in zip("abcdefghij", types, strict=True)
    ]
    label = {"name": "y", "type": "integer", "expected_delay_hours": 24}
    return ModelSpec.model_validate({"name": "bench", "task": "regression", "features": features, "label": label})


def _read_sql(store: Store, spec: ModelSpec) -> "pd.DataFrame":
    import pandas as pd
    import psycopg2

    with contextlib.closing(psycopg2.connect(store.dsn)) as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pandas only supports SQLAlchemy")
        rows = pd.read_sql(READ_SQL, connection)  # type: ignore[call-overload]
    frame = pd.DataFrame(rows["input"].tolist(), columns=spec.feature_names)
    return frame.assign(id=rows["id"], created_at=rows["created_at"], label=rows["label"])


if __name__ == "__main__":
    main()
