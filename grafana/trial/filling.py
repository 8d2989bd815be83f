"""A store as it is after a year of service: rows, labels, verdicts, incidents, releases, and rows that were lost.

Version 2 of `demand` answers an alarm in the middle of the time. Version 3 is rolled back in its canary a week before
the end, and version 4 is in its canary at the end. Two retrainings in between were futile. A hold is open.

Postgres makes the rows. Roll-ups, reference profiles and verdicts come from Cyclone's own functions. A verdict of the
newest days is judged, and those before are copies of it, because judging a year of days takes minutes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.rollups import roll_up
from cyclone.sections import CheckKind
from cyclone.spec import ModelSpec
from cyclone.store import Store

STORY = Path(__file__).parent / "story"
KINDS: tuple[CheckKind, ...] = ("drift", "error", "estimate", "service")
REFERENCE_ROWS = 4_000
"""The rows of each reference profile. More would change no bin by much."""
WEATHER = ("clear", "cloudy", "rain")
DEMAND = ModelSpec.model_validate(
    {
        "name": "demand",
        "task": "regression",
        "features": [
            *({"name": f"number_{place}", "type": "number", "nullable": True} for place in range(1, 9)),
            {"name": "weather", "type": "category", "values": list(WEATHER)},
        ],
        "label": {"name": "amount", "type": "number", "expected_delay_hours": 24},
        "retrain": {"slices": ["weather"]},
    }
)
CHURN = ModelSpec.model_validate(
    {
        "name": "churn",
        "task": "binary",
        "features": [{"name": "months", "type": "number"}],
        "label": {"name": "has_left", "type": "boolean", "expected_delay_hours": 24},
    }
)


@dataclass(frozen=True)
class World:
    """How much there is: rows of the first model, evenly over days that end at `until`, and the share with a label.

    The second model has a hundredth of the rows.
    """

    rows: int
    days: int
    until: datetime
    label_share: float = 1.0

    @property
    def since(self) -> datetime:
        return self.until - timedelta(days=self.days)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the statements of the story may name."""
        return {"since": self.since, "until": self.until, "days": self.days, "label_share": self.label_share}


def fill_store(store: Store, world: World) -> None:
    """Fill a migrated store with a whole world."""
    for spec in (DEMAND, CHURN):
        put_profiles(store, spec, world, versions=(1, 2, 3, 4) if spec is DEMAND else (1,))
    put_rows(store, DEMAND, world, world.rows, _demand_input(), "50 + 10 * random_normal()")
    put_rows(
        store, CHURN, world, max(world.rows // 100, 500), "jsonb_build_object('months', 1 + 40 * random())", "random()"
    )
    tell(store, world, "labels")
    tell(store, world, "requests")
    tell(store, world, "releases")
    for spec in (DEMAND, CHURN):
        roll_up(store, spec)
    for name in ("log", "retrainings", "canaries", "decisions", "calibrations", "addresses"):
        tell(store, world, name)
    put_verdicts(store, world)
    refresh_statistics(store)


def put_profiles(store: Store, spec: ModelSpec, world: World, versions: Sequence[int]) -> None:
    """The same reference profile for each version, with an accepted error that an actual error may exceed."""
    import pandas as pd

    from training.fit.null_distributions import build_nulls, flatten_null
    from training.fit.profile import build_profile

    is_demand = spec is DEMAND
    made = _demand_input() if is_demand else "jsonb_build_object('months', 1 + 40 * random())"
    predicted = "50 + 10 * random_normal()" if is_demand else "random()"
    rows = execute(store, f"SELECT {made}, {predicted} FROM generate_series(1, {REFERENCE_ROWS})")
    features = pd.DataFrame([row[0] for row in rows])
    days = pd.Series(pd.date_range(end=world.since, periods=len(rows), freq=timedelta(days=28) / len(rows)))
    subjects = build_profile(spec, features, pd.Series([row[1] for row in rows]).to_numpy())
    bins = [
        asdict(item) | ({"expected_error": 8.0} if item.feature == "prediction" else {})
        for subject in subjects
        for item in subject.bins
    ]
    nulls = [flatten_null(item) for item in build_nulls(spec, subjects, days, ["jensen_shannon", "wasserstein"])]
    accepted = 8.0 if is_demand else 0.65
    with store.transaction() as transaction:
        for version in versions:
            of_version = {"model": spec.name, "version": version}
            transaction.run(
                "training/profile_insert",
                **of_version,
                mlflow_run_id=f"{version:032x}",
                metric=spec.error_metric,
                accepted_error=accepted,
                sample_size=len(rows),
                created_at=world.since,
            )
            transaction.run("training/profile_bins_insert", **of_version, bins=json.dumps(bins))
            transaction.run("training/profile_nulls_insert", **of_version, nulls=json.dumps(nulls))
            errors = json.dumps({spec.error_metric: accepted})
            transaction.run("training/profile_errors_insert", **of_version, errors=errors)


def put_rows(store: Store, spec: ModelSpec, world: World, rows: int, made: str, predicted: str) -> None:
    """Answered rows of one model, in the order of their time. Version 2 serves from the middle on."""
    is_demand = spec is DEMAND
    version = "CASE WHEN number < %(rows)s / 2 THEN 1 ELSE 2 END" if is_demand else "1"
    for table in ("prediction_log", "label"):
        for day in range(-1, world.days + 2, 14):
            execute(
                store, "SELECT ensure_partition(%(table)s, %(at)s)", table=table, at=world.since + timedelta(days=day)
            )
    execute(
        store,
        "INSERT INTO prediction_log (model, id, version, revision, instance_id, sequence, input, prediction,"
        " created_at)"
        f" SELECT %(model)s, 'row-' || number, {version}, %(service)s || '-v' || ({version}),"
        f" %(service)s || '-' || (number * 20 / %(rows)s), number, {made}, to_jsonb({predicted}),"
        " %(since)s + number / %(rows)s::double precision * make_interval(days => %(days)s)"
        " FROM generate_series(0::bigint, %(rows)s - 1) AS number",
        model=spec.name,
        service=spec.service_name,
        rows=rows,
        **world.parameters,
    )


def put_verdicts(store: Store, world: World) -> None:
    """Verdicts of three days, judged, and copies of the last for each day before."""
    for spec in (DEMAND, CHURN):
        for number in range(3):
            end = world.until - timedelta(days=number)
            for kind in KINDS:
                evaluate_checks(store, spec, kind, end, f"scheduled__{end:%Y-%m-%dT%H:%M:%S}+00:00")
    tell(store, world, "verdicts")


def refresh_statistics(store: Store) -> None:
    """Do what autovacuum does within minutes."""
    import psycopg2

    connection = psycopg2.connect(store.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM (ANALYZE) row_rollup, feature_rollup, error_rollup, error_age_rollup, request_rollup,"
            " reference_bin, newest_verdict, check_result, log_window, instance_ledger"
        )
    connection.close()


def tell(store: Store, world: World, part: str) -> None:
    """Add a part of the story: `story/<part>.sql`, which may name `since`, `until`, `days` and `label_share`."""
    execute(store, (STORY / f"{part}.sql").read_text(), **world.parameters)


def execute(store: Store, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement of this world's own."""
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def _demand_input() -> str:
    """The SQL of one row's features."""
    numbers = [f"'number_{place}', random_normal()" for place in range(1, 9)]
    weather = "(ARRAY['clear', 'cloudy', 'rain'])[1 + floor(random() * 3)::integer]"
    return f"jsonb_build_object({', '.join(numbers)}, 'weather', {weather})"
