"""A version predicts with the features of its own training, whatever model.yaml says by now."""

from datetime import UTC, datetime

import pytest

from cyclone.sections import Feature, Recalibrate
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_spec
from cyclone.store import Store
from releasing.recalibration import choose_now
from releasing.rehearsal import predict_offline
from tests.support.staged_releases import record_champion
from tests.support.statements import execute
from training.data.dataset import build_dataset
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.gate.rules import GateDecision
from training.images.bundle import stage_bundle
from training.registry import register_challenger
from training.tracking.versions import fetch_version

FEBRUARY = datetime(2011, 2, 2, tzinfo=UTC)
GUSTS = Feature(name="gusts", type="number", nullable=True)


@pytest.fixture
def bike_demand(bike_demand: ModelSpec) -> ModelSpec:
    """The model, recalibrated by the defaults."""
    return bike_demand.model_copy(update={"recalibrate": Recalibrate()})


@pytest.fixture
def champion(settings: Settings, store: Store, bike_demand: ModelSpec, january: int) -> GateDecision:
    """Train version 1 before model.yaml is edited, and return how its gate saw it."""
    dataset = build_dataset(settings, bike_demand, "run_1", FEBRUARY)
    trained = train_challenger(settings, bike_demand, dataset, "run_1")
    decision = compare_with_champion(settings, bike_demand, dataset, trained)
    register_challenger(settings, bike_demand, trained, decision)
    record_champion(store, "bike_demand", 1, FEBRUARY)
    return decision


@pytest.fixture
def edited(bike_demand: ModelSpec, store: Store, champion: GateDecision) -> ModelSpec:
    """The features in another order, one more that is known of each row, and a new weather before the others."""
    gusts = "jsonb_build_object('gusts', extract(hour FROM created_at))"
    execute(store, f"UPDATE prediction_log SET input = input || {gusts}")
    weather = next(item for item in bike_demand.features if item.name == "weather")
    values = ("fog", *(weather.values or ()))
    features = tuple(
        item.model_copy(update={"values": values}) if item is weather else item for item in bike_demand.features
    )
    return bike_demand.model_copy(update={"features": (GUSTS, *reversed(features))})


def test_an_edit_of_the_features_changes_nothing_that_a_version_predicts(
    settings: Settings, store: Store, bike_demand: ModelSpec, edited: ModelSpec, champion: GateDecision
) -> None:
    rows = store.fetch("release/rehearsal_rows", model="bike_demand", champion=None, newest=20)
    assert len(rows) == 20
    ours, theirs = (fetch_version(settings, spec, 1) for spec in (edited, bike_demand))
    assert predict_offline(ours, rows) == predict_offline(theirs, rows)
    wanted, _ = choose_now(settings, bike_demand, 1, FEBRUARY)
    assert wanted.rows > 0
    assert choose_now(settings, edited, 1, FEBRUARY)[0] == wanted
    packed = load_model_spec(stage_bundle(settings, edited, 1) / "models" / "bike_demand")
    assert packed.features == bike_demand.features

    dataset = build_dataset(settings, edited, "run_2", FEBRUARY)
    challenger = train_challenger(settings, edited, dataset, "run_2")
    decision = compare_with_champion(settings, edited, dataset, challenger)
    assert (decision.champion_error, decision.rows) == (champion.challenger_error, champion.rows)


def test_what_the_champion_could_not_answer_is_not_held_against_it(
    settings: Settings, store: Store, edited: ModelSpec, champion: GateDecision
) -> None:
    """A row whose weather it has never heard of is left out. A feature that is gone leaves nothing to compare."""
    execute(
        store,
        'UPDATE prediction_log SET input = input || \'{"weather": "fog"}\' WHERE created_at ='
        " (SELECT max(created_at) FROM prediction_log)",
    )
    dataset = build_dataset(settings, edited, "run_2", FEBRUARY)
    challenger = train_challenger(settings, edited, dataset, "run_2")
    assert compare_with_champion(settings, edited, dataset, challenger).rows == champion.rows - 1

    windless = edited.model_copy(update={"features": tuple(item for item in edited.features if item.name != "wind")})
    dataset = build_dataset(settings, windless, "run_3", FEBRUARY)
    refused = compare_with_champion(settings, windless, dataset, train_challenger(settings, windless, dataset, "run_3"))
    assert (refused.passed, refused.champion_error) == (False, None)
    assert refused.reason.startswith("the champion, version 1, was trained with wind, which model.yaml no longer has.")
