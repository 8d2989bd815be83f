"""A candidate is deployed with the calibration that it would have been given as the champion."""

from datetime import UTC, datetime

import pytest

from cyclone.calibration.correction import Calibration
from cyclone.calibration.looks import read_calibration
from cyclone.image_contract import CALIBRATION_VARIABLE
from cyclone.sections import Recalibrate
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.candidate import deploy_candidate
from releasing.cloud_run import CloudRun
from releasing.first_calibration import fit_first_calibration
from releasing.promotion import promote
from releasing.recalibration import recalibrate
from releasing.rehearsal import answer_unseen, predict_offline
from tests.support.staged_releases import HERE
from tests.support.statements import execute
from training.data.dataset import build_dataset
from training.fit.train import train_challenger
from training.gate.comparison import compare_with_champion
from training.images.image import Image
from training.registry import register_challenger
from training.tracking.versions import fetch_version

NOW = datetime(2011, 2, 2, tzinfo=UTC)
DOUBLED = (
    "UPDATE label SET label = to_jsonb(2 * (label #>> '{}')::integer)"
    " WHERE id IN (SELECT id FROM prediction_log WHERE created_at >= %(since)s)"
)


def test_a_candidate_whose_holdout_has_grown_answers_with_its_first_calibration(
    cloud: Settings, store: Store, small: ModelSpec, january: int
) -> None:
    retrain = small.retrain.model_copy(update={"holdout_days": 12})
    spec = small.model_copy(update={"recalibrate": Recalibrate(), "retrain": retrain})
    execute(store, DOUBLED, since=datetime(2011, 1, 20, tzinfo=UTC))
    dataset = build_dataset(cloud, spec, "run_1", NOW)
    challenger = train_challenger(cloud, spec, dataset, "run_1")
    gate = compare_with_champion(cloud, spec, dataset, challenger)
    version = register_challenger(cloud, spec, challenger, gate).version

    calibration = fit_first_calibration(cloud, spec, version, "run_1", NOW)
    assert calibration is not None
    assert 1.3 < calibration.values[0] < 2.5
    assert fit_first_calibration(cloud, spec, version, "run_1", NOW) == calibration
    image = Image(str(HERE / "cloud_run_image.py"), "sha256:1")
    candidate = deploy_candidate(cloud, spec, version, image, "run_1", calibration)
    told = CloudRun(cloud).read_variable(spec.service_name, candidate.revision, CALIBRATION_VARIABLE)
    assert Calibration.from_json(told) == calibration
    assert read_calibration(store, spec.name, candidate.revision) == calibration

    rows = store.fetch("release/rehearsal_rows", model=spec.name, champion=None, newest=3)
    trained = fetch_version(cloud, spec, version)
    raw = predict_offline(trained, rows)
    corrected = predict_offline(trained, rows, calibration)
    assert corrected == pytest.approx([value * calibration.values[0] for value in raw])  # type: ignore[operator]
    assert list(answer_unseen(cloud, trained, NOW, is_raw=True).values())[-3:] == pytest.approx(raw[::-1])
    promote(cloud, spec, candidate)
    assert not recalibrate(cloud, spec, NOW).is_new


def test_a_rehearsal_corrects_no_day_by_its_own_labels_and_waits_for_labels_that_are_due(
    cloud: Settings, store: Store, small: ModelSpec, january: int
) -> None:
    spec = small.model_copy(update={"recalibrate": Recalibrate(method="ratio")})
    execute(store, DOUBLED, since=datetime(2011, 1, 20, tzinfo=UTC))
    dataset = build_dataset(cloud, spec, "run_1", NOW)
    challenger = train_challenger(cloud, spec, dataset, "run_1")
    gate = compare_with_champion(cloud, spec, dataset, challenger)
    version = register_challenger(cloud, spec, challenger, gate).version
    trained = fetch_version(cloud, spec, version)
    before = answer_unseen(cloud, trained, NOW, is_raw=False)
    execute(store, DOUBLED, since=datetime(2011, 1, 31, tzinfo=UTC))
    after = answer_unseen(cloud, trained, NOW, is_raw=False)
    days = {id_.removeprefix("history-")[:10] for id_ in after}
    assert days == {f"2011-01-{day}" for day in range(27, 32)}
    same = {id_ for id_ in after if after[id_] == before[id_]}
    assert {id_.removeprefix("history-")[:10] for id_ in same} == {"2011-01-31"}
    early = "UPDATE label SET observed_at = observed_at - interval '20 hours'"
    execute(store, early)
    known = answer_unseen(cloud, trained, datetime(2011, 1, 31, tzinfo=UTC), is_raw=True)
    assert max(known) == "history-2011-01-30T00:00:00Z"


def test_a_model_that_is_not_recalibrated_gets_no_first_calibration(settings: Settings, bike_demand: ModelSpec) -> None:
    off = bike_demand.model_copy(update={"recalibrate": Recalibrate(enabled=False)})
    assert fit_first_calibration(settings, off, 1, "run_1", NOW) is None
