"""The deployment configuration: one file an installation, checked before anything is called."""

from pathlib import Path

import pytest

from cyclone.errors import ConfigurationError
from cyclone.settings import Settings
from releasing.revisions.deployment import Deployment, read_deployment

TEXT = """
service_account: serving@p.iam.gserviceaccount.com
labels: {team: demand}
timeout_seconds: 60
models:
  bike_demand: {timeout_seconds: 30, startup_boost: true}
"""


def write(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "deployment.yaml"
    path.write_text(text)
    return Settings(deployment_file=path)


def test_a_model_has_what_is_stated_for_all_and_its_own_instead(tmp_path: Path) -> None:
    settings = write(tmp_path, TEXT)
    shared = {"service_account": "serving@p.iam.gserviceaccount.com", "labels": {"team": "demand"}}
    assert read_deployment(settings, "other") == Deployment.model_validate({**shared, "timeout_seconds": 60})
    own = {"timeout_seconds": 30, "startup_boost": True}
    assert read_deployment(settings, "bike_demand") == Deployment.model_validate({**shared, **own})


def test_without_a_file_nothing_is_stated() -> None:
    assert read_deployment(Settings(), "bike_demand") == Deployment()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("service_acount: x", "service_acount is no key of a deployment. Known keys are cloud_sql, labels"),
        ("service_account: serving", "service_account is 'serving'"),
        ("timeout_seconds: 4000", "timeout_seconds is 4000: Input should be less than or equal to 3600"),
        ("network: {egress: all-traffic}", "network: neither network nor subnetwork is given. Name one of them"),
        ("cloud_sql: [store]", "cloud_sql.0 is 'store'"),
        ("secrets: {PORT: projects/p/secrets/x}", "secrets: 'PORT' cannot be given. Cloud Run sets PORT"),
        ("secrets: {A: a b}", "secrets: the value of A names no secret. Write projects/PROJECT/secrets/NAME"),
        ("labels: {Team: x}", "labels: Team: 'x' is no label. A key begins with a lowercase letter"),
        ("sidecars: [{name: model, image: x}]", "sidecars.0: sidecar 'model': this is the name of the model's own"),
        ("sidecars: [{name: a, image: x}, {name: a, image: y}]", "the file: sidecar 'a' is given twice"),
        ("models: {bike_demand: {models: {}}}", "models.bike_demand.models is no key of a deployment"),
        ("a: b: c", "line 1: not readable as YAML"),
        (
            "timeout_seconds: 4\ntimeout_seconds: 5",
            "line 2: not readable as YAML: the key 'timeout_seconds' is there twice",
        ),
        ("labels: {team: a, team: b}", "line 1: not readable as YAML: the key 'team' is there twice"),
        ("labels: {since: 2011-02-31}", "not readable as YAML: day is out of range for month"),
        ("[" * 2000, "not readable as YAML: maximum recursion depth exceeded"),
    ],
)
def test_what_cannot_be_deployed_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_deployment(write(tmp_path, text), "bike_demand")
    assert str(refused.value).startswith(str(tmp_path / "deployment.yaml"))
    assert message in str(refused.value)


def test_a_missing_file_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="CYCLONE_DEPLOYMENT_FILE has to name"):
        read_deployment(Settings(deployment_file=tmp_path / "none.yaml"), "bike_demand")
