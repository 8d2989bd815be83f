"""How often a retraining is asked for without reason where labels come late, or those of one class before the others.

A part of `make bench-policy`. Nothing changes in any world but when a label is known. Rows and labels are in a store,
the roll-up counts them, and the decisions at each midnight are those of production. Refits are not scored: they compare
two versions on the same rows, so that what is early or late cannot favour one of them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from cyclone.checks.rollups import roll_up
from cyclone.policy.evidence import collect_evidence
from cyclone.policy.rules import decide, find_judged_error, find_triggers
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, HOUR
from local_platform.leftovers import temporary_state
from local_platform.postgres import EmbeddedPostgres
from local_platform.processes import free_port

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

START = datetime(2025, 1, 1, tzinfo=UTC)
ROWS_A_DAY = 48
EXPECTED_DAYS = 5
"""The delay that the model file expects, in days."""
FIRST_DAYS = 14
"""The days before the first decision: until then few labels are due."""
TRUE_SHARE, SPREAD, DAY_SPREAD = 0.1, 1.0, 0.3
"""The typical probability of true, such as a fraud, and how far the log odds of rows and of whole days differ."""
SPEC = ModelSpec.model_validate(
    {
        "name": "bench",
        "task": "binary",
        "features": [{"name": "x", "type": "number"}],
        "label": {"name": "is_fraud", "type": "boolean", "expected_delay_hours": 24 * EXPECTED_DAYS},
    }
)


@dataclass(frozen=True)
class LabelWorld:
    """When labels are known: the days after their rows, from the labels and a generator."""

    name: str
    delay: "Callable[[np.random.Generator, Array], Array]"


def come_in_time(rng: "np.random.Generator", labels: "Array") -> "Array":
    return rng.uniform(0, EXPECTED_DAYS, len(labels))


def come_late(rng: "np.random.Generator", labels: "Array") -> "Array":
    """A third comes up to ten days after it was expected."""
    late = rng.random(len(labels)) < 1 / 3
    return come_in_time(rng, labels) + late * rng.uniform(0, 10, len(labels))


def come_true_first(rng: "np.random.Generator", labels: "Array") -> "Array":
    """True is known within a day. False is known when it is expected."""
    import numpy as np

    return np.where(labels, rng.uniform(0, 1, len(labels)), EXPECTED_DAYS)


def come_true_first_others_late(rng: "np.random.Generator", labels: "Array") -> "Array":
    """True is known within a day, and false up to ten days after it was expected."""
    return come_true_first(rng, labels) + ~labels * rng.uniform(0, 10, len(labels))


def come_false_first_others_late(rng: "np.random.Generator", labels: "Array") -> "Array":
    """The other way around."""
    return come_true_first_others_late(rng, ~labels)


WORLDS = (
    LabelWorld("in time", come_in_time),
    LabelWorld("a third late", come_late),
    LabelWorld("true first", come_true_first),
    LabelWorld("true first, false late", come_true_first_others_late),
    LabelWorld("false first, true late", come_false_first_others_late),
)


@dataclass(frozen=True)
class LabelsSize:
    """How much is drawn of each world."""

    years: int
    days: int


@dataclass(frozen=True)
class Year:
    """One year: the days on which the error trigger fired, and the retrainings that came of it.

    `held_days` are those on which a person is told of an upstream fault. `highest` is the highest error of a typical
    day, in accepted errors.
    """

    days: int
    fired_days: int
    retrainings: int
    held_days: int
    highest: float


def fill(store: Store, model: str, world: LabelWorld, days: int, seed: int) -> None:
    """The rows of `days` days, answered by their true log odds but for what their day has in common, and the labels."""
    import numpy as np

    rng = np.random.default_rng([seed, [item.name for item in WORLDS].index(world.name)])
    count = days * ROWS_A_DAY
    odds = np.log(TRUE_SHARE / (1 - TRUE_SHARE)) + rng.normal(0, SPREAD, count)
    own = odds + np.repeat(rng.normal(0, DAY_SPREAD, days), ROWS_A_DAY)
    answers, labels = 1 / (1 + np.exp(-odds)), rng.logistic(0, 1, count) < own
    delays = world.delay(rng, labels)
    texts = StringIO(), StringIO(), StringIO()
    for number in range(count):
        at = START + number * DAY / ROWS_A_DAY
        known = at + timedelta(days=float(delays[number]))
        texts[0].write(f"{model}\tr{number}\t{at.isoformat()}\n")
        row, label = json.dumps({"x": odds[number]}), json.dumps(bool(labels[number]))
        texts[1].write(f"{model}\tr{number}\t1\tr\t{row}\t{answers[number]}\t{at.isoformat()}\t{at.isoformat()}\n")
        texts[2].write(f"{model}\tr{number}\t{label}\t{known.isoformat()}\t{known.isoformat()}\n")
    copies = (
        "COPY prediction_id (model, id, created_at) FROM STDIN",
        "COPY prediction_log (model, id, version, revision, input, prediction, created_at, stored_at) FROM STDIN",
        "COPY label (model, id, label, observed_at, received_at) FROM STDIN",
    )
    accepted = float(-np.where(labels, np.log(answers), np.log1p(-answers)).mean())
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        add_version(cursor, model, accepted)
        for text, copy in zip(texts, copies, strict=True):
            text.seek(0)
            cursor.copy_expert(copy, text)
        cursor.execute("ANALYZE")  # as autovacuum does within minutes


def add_version(cursor: Any, model: str, accepted_error: float) -> None:
    """Version 1 serves from the start on, and was accepted with the error that it has. Its roll-ups have one bin."""
    cursor.execute(
        "INSERT INTO reference_profile (model, version, mlflow_run_id, metric, accepted_error, sample_size, created_at)"
        " VALUES (%s, 1, 'run', %s, %s, 10000, %s)",
        (model, SPEC.error_metric, accepted_error, START),
    )
    cursor.execute(
        "INSERT INTO reference_bin (model, version, feature, bin, count, is_calendar)"
        " VALUES (%s, 1, 'prediction', 0, 10000, false)",
        (model,),
    )
    cursor.execute(
        "INSERT INTO release (model, version, revision, image, image_digest, run_id, state, traffic_percent,"
        " created_at, promoted_at) VALUES (%(model)s, 1, 'r', 'i', 'd', 'run', 'champion', 100, %(at)s, %(at)s)",
        {"model": model, "at": START},
    )


def measure_year(store: Store, spec: ModelSpec, days: int) -> Year:
    """The decisions at each midnight. After a retraining that it asks for, the policy waits as long as in service."""
    fired = retrainings = held = 0
    next_day, highest = FIRST_DAYS, 0.0
    for day in range(FIRST_DAYS, days):
        evidence = collect_evidence(store, spec, [], START + day * DAY + HOUR)
        assert evidence.champion is not None
        typical = find_judged_error(spec, evidence.champion, evidence.now)
        highest = max(highest, typical.error / evidence.champion.accepted_error if typical else 0)
        fired += bool(find_triggers(spec, evidence))
        action = decide(spec, evidence).action
        held += action == "hold"
        if action == "retrain" and day >= next_day:
            retrainings += 1
            next_day = day + int(spec.retrain.cooldown_days)
    return Year(days - FIRST_DAYS, fired, retrainings, held, highest)


def measure_labels(size: LabelsSize) -> dict[str, float]:
    """Every figure of this part, by its key in the line of JSON."""
    found: dict[str, list[Year]] = {world.name: [] for world in WORLDS}
    with (
        temporary_state("bench-labels") as folder,
        EmbeddedPostgres.start(folder / "postgres", free_port(0), ("bench",)) as postgres,
    ):
        store = Store(postgres.dsn("bench"))
        store.migrate()
        for place in track(range(size.years * len(WORLDS)), "years"):
            world = WORLDS[place % len(WORLDS)]
            spec = SPEC.model_copy(update={"name": f"bench_{place}"})
            fill(store, spec.name, world, size.days, place // len(WORLDS))
            roll_up(store, spec)
            with store.connected() as kept:
                found[world.name].append(measure_year(kept, spec, size.days))
    print_years(found)
    return {"late_label_retrainings_per_year_max": max(map(find_rate, found.values()))}


def find_rate(years: list[Year]) -> float:
    """The retrainings a year."""
    return round(365 * sum(year.retrainings for year in years) / sum(year.days for year in years), 4)


def print_years(found: dict[str, list[Year]]) -> None:
    """Print what happened in each world, a line each."""
    headings = ("labels", "years", "retrainings a year", "days fired", "days held", "highest error")
    table = Table(*headings, title="Nothing changes but when labels are known")
    for name, years in found.items():
        days = sum(year.days for year in years)
        shares = (sum(each) / days for each in zip(*((year.fired_days, year.held_days) for year in years), strict=True))
        highest = max(year.highest for year in years)
        cells = (f"{find_rate(years):.2f}", *(f"{share:.1%}" for share in shares), f"{highest:.2f} × accepted")
        table.add_row(name, str(len(years)), *cells)
    Console(width=120).print(table)
