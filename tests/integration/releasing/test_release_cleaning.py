"""What is removed once nobody can return to it, and what outlives every cleaning."""

from datetime import UTC, datetime
from pathlib import Path

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from releasing.cloud_run import CloudRun
from releasing.promotion import restore_champion, roll_back
from tests.support.faulty_api import run_faulty_api
from tests.support.staged_releases import SERVICE, ask_who, deploy, register_versions, release_version
from training.data.dataset import build_dataset
from training.fit.train import train_challenger
from training.gate.rules import GateDecision
from training.images.image import build_image, list_images
from training.registry import register_challenger

PASSED = GateDecision(True, None, 1.0, 1, "the first version")


def test_the_image_of_a_retraining_that_died_before_its_candidate_goes_at_the_next_promotion(
    cloud: Settings, small: ModelSpec, january: int, bento_home: Path
) -> None:
    for version, there in ((1, {1}), (2, {1, 2}), (3, {1, 3})):
        dataset = build_dataset(cloud, small, f"run_{version}", datetime(2011, 2, 2, tzinfo=UTC))
        challenger = train_challenger(cloud, small, dataset, f"run_{version}")
        assert register_challenger(cloud, small, challenger, PASSED).version == version
        build_image(cloud, small, version)
        if version != 2:  # dies here
            release_version(cloud, small, version)
        assert list_images(cloud, small).keys() == there


def keep_champions(spec: ModelSpec, count: int) -> ModelSpec:
    """The model with so many earlier champions to return to."""
    return spec.model_copy(update={"release": spec.release.model_copy(update={"kept_champions": count})})


def test_revisions_that_nobody_can_return_to_are_deleted(cloud: Settings, small: ModelSpec) -> None:
    small = keep_champions(small, 1)
    register_versions(cloud, 3)
    for version in (1, 2, 3):
        release_version(cloud, small, version)
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v3", "bike-demand-v2"]


def test_a_version_that_cannot_be_removed_keeps_no_other_from_it(cloud: Settings, small: ModelSpec) -> None:
    small = keep_champions(small, 1)
    register_versions(cloud, 4)
    with run_faulty_api(cloud.cloud_run_endpoint) as api:
        faulty = cloud.model_copy(update={"cloud_run_endpoint": api.address})
        for version in (1, 2, 3, 4):
            api.faults["DELETE"] = [409]  # the first deletion of each cleaning
            release_version(faulty, small, version)
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v4", "bike-demand-v3", "bike-demand-v1"]


def test_what_one_can_return_to_outlives_every_cleaning(cloud: Settings, small: ModelSpec) -> None:
    small = keep_champions(small, 2)
    register_versions(cloud, 5)
    for version in (1, 2, 3):
        release_version(cloud, small, version)
    deploy(cloud, small, 4)
    roll_back(cloud, small, "run_4", "its error was too high")
    address = release_version(cloud, small, 5).service_address
    assert CloudRun(cloud).list_revisions(SERVICE) == ["bike-demand-v5", "bike-demand-v3", "bike-demand-v2"]
    for version in (3, 2):
        assert restore_champion(cloud, small, "complaints", version).version == version
        assert ask_who(address) == f"bike-demand-v{version}"
