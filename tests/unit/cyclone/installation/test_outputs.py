import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cyclone.__main__ import main
from cyclone.errors import ConfigurationError
from cyclone.installation.outputs import find_settings, read_outputs, write_settings

DSN = "postgresql://cyclone_airflow:a%3Db-_0@10.20.0.3:5432/cyclone?sslmode=require"
SECRETS = {"projects/p/secrets/dsn": DSN, "projects/p/secrets/training": DSN.replace("0.3", "0.4")}
OUTPUTS: dict[str, object] = {
    "project": "p",
    "region": "us-central1",
    "image_repository": "us-central1-docker.pkg.dev/p/cyclone",
    "handover_url": "gs://p-cyclone-work/handover",
    "mlflow_uri": "https://cyclone-mlflow-x.a.run.app",
    "store_dsn_secret": "projects/p/secrets/dsn",
    "training_dsn_secret": "projects/p/secrets/training",
}
SETTINGS = {
    "CYCLONE_CLOUD_RUN_PROJECT": "p",
    "CYCLONE_CLOUD_RUN_LOCATION": "us-central1",
    "CYCLONE_IMAGE_REPOSITORY": "us-central1-docker.pkg.dev/p/cyclone",
    "CYCLONE_HANDOVER_URL": "gs://p-cyclone-work/handover",
    "MLFLOW_TRACKING_URI": "https://cyclone-mlflow-x.a.run.app",
    "CYCLONE_STORE_DSN": DSN,
    "CYCLONE_TRAINING_DSN": DSN.replace("0.3", "0.4"),
}


def write(tmp_path: Path, outputs: dict[str, object]) -> Path:
    path = tmp_path / "terraform.json"
    path.write_text(json.dumps({name: {"sensitive": False, "value": value} for name, value in outputs.items()}))
    return path


def test_outputs_become_settings_and_secrets_are_asked_for(tmp_path: Path) -> None:
    named: dict[str, object] = {
        "grafana_url": "https://grafana",
        "service_urls": {"bike_demand": "https://bike"},
        "api_keys_secret": None,
    }
    outputs = read_outputs(write(tmp_path, OUTPUTS | named))
    assert find_settings(outputs, SECRETS.__getitem__) == SETTINGS


def test_the_file_is_its_owners_alone_and_a_shell_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.env"
    write_settings(path, SETTINGS)
    path.chmod(0o644)
    write_settings(path, SETTINGS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["settings.env"]
    code = f"set -a; . {shlex.quote(str(path))}; env"
    shown = subprocess.run(["sh", "-c", code], env={}, capture_output=True, text=True, check=True).stdout
    assert {line.partition("=")[0]: line.partition("=")[2] for line in shown.splitlines()}.items() >= SETTINGS.items()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mlflow_uri": None, "project": ""}, "without output project, mlflow_uri. The outputs are those of"),
        ({"mlflow_url": "https://x"}, "knows no output mlflow_url. Known are airflow_address,"),
        ({"region": ["us-central1"]}, 'output region is ["us-central1"], and a text is needed'),
    ],
    ids=["missing", "unknown", "no text"],
)
def test_outputs_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    path = write(tmp_path, OUTPUTS | changes)
    with pytest.raises(ConfigurationError) as refused:
        read_outputs(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert told in str(refused.value)
    assert "`terraform output -json` again" in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_a_file_that_is_no_document_of_outputs_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "terraform.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="Write `terraform output -json` to it"):
        read_outputs(path)


@pytest.mark.parametrize("value", ["", "a b", "a&b", "a$b", "it's", "a\nCYCLONE_CLOCK=replay", "a;b", "a#b"])
def test_a_value_that_would_be_read_in_two_ways_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match="output store_dsn_secret: the value for CYCLONE_STORE_DSN") as refused:
        find_settings(
            {"store_dsn_secret": "projects/p/secrets/dsn"}, lambda name: f"secret-word{value}" if value else ""
        )
    assert "secret-word" not in str(refused.value)


def test_bearer_keys_stay_a_name_which_each_process_reads_anew() -> None:
    found = find_settings({"api_keys_secret": "projects/p/secrets/keys"}, SECRETS.__getitem__)
    assert found == {"CYCLONE_API_KEYS": "projects/p/secrets/keys"}


def test_the_command_refuses_before_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, to = write(tmp_path, {"project": "p"}), tmp_path / "settings.env"
    monkeypatch.setattr(sys, "argv", ["cyclone", "configure", "--from-terraform", str(path), "--to", str(to)])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert "without output region, image_repository, handover_url, mlflow_uri" in capsys.readouterr().err
    assert not to.exists()
