"""The doctor on an installation that is well, and with each of its parts broken."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.processes import free_port
from releasing.commands import add_commands
from releasing.doctor import services
from releasing.doctor.examination import examine
from releasing.doctor.findings import Diagnosis, run_check
from releasing.doctor.store import check_clock, check_migrations, check_store
from tests.support.image_registry import run_registry
from tests.support.staged_releases import StartCloudRun, deploy, register_versions
from tests.support.statements import execute

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MODELS = Path(__file__).resolve().parents[3] / "models"
HEALTHY: dict[str, Any] = {name: {"status": "healthy"} for name in services.AIRFLOW_PARTS}


@contextmanager
def run_pages(pages: dict[str, str]) -> Iterator[str]:
    """A server that answers these paths with these texts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = pages.get(self.path)
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def find_faults(check: Any) -> list[tuple[str, str]]:
    """What is wrong, and what mends it."""
    return [(item.said, item.remedy) for item in run_check("part", check, "the check's own remedy") if is_fault(item)]


def is_fault(finding: Diagnosis) -> bool:
    return finding.state == "fault"


def test_an_installation_that_is_well_has_no_fault(cloud: Settings, small: ModelSpec) -> None:
    register_versions(cloud, 1)
    deploy(cloud, small, 1)
    with run_pages({"/api/v2/monitor/health": json.dumps(HEALTHY)}) as airflow:
        findings = examine(cloud.model_copy(update={"models_dir": MODELS}), airflow)
    assert [finding for finding in findings if is_fault(finding)] == []
    parts = ("packages", "models", "store", "clock", "migrations", "Cloud Run: bike-demand", "MLflow", "Airflow")
    assert {finding.part for finding in findings if finding.state == "well"} >= set(parts)


def test_a_store_that_is_away_is_named(settings: Settings) -> None:
    address = f"postgresql://postgres@127.0.0.1:{free_port(0)}/none"
    away = settings.model_copy(update={"store_dsn": address})
    ((said, remedy),) = find_faults(lambda: check_store(away))
    assert "127.0.0.1" in said
    assert remedy == "the check's own remedy"
    ((said, remedy),) = find_faults(lambda: check_store(settings.model_copy(update={"store_dsn": ""})))
    assert (said, remedy) == ("CYCLONE_STORE_DSN is empty", 'eval "$(cyclone env)"')


def test_a_store_of_another_version_is_told_apart(settings: Settings, store: Store) -> None:
    execute(store, "DELETE FROM schema_migration WHERE name = (SELECT max(name) FROM schema_migration)")
    ((said, remedy),) = find_faults(lambda: check_migrations(settings))
    assert said.startswith("1 are missing, from 00")
    assert remedy == "cyclone migrate"
    execute(store, "INSERT INTO schema_migration (name) VALUES ('9999_later')")
    store_with_all = "INSERT INTO schema_migration (name) VALUES (%(name)s)"
    execute(store, store_with_all, name=said.removeprefix("1 are missing, from ").removesuffix(" on"))
    ((said, remedy),) = find_faults(lambda: check_migrations(settings))
    assert said == "the store has 9999_later, which this code does not know"
    assert "install the version of Cyclone that made it" in remedy
    execute(store, "DELETE FROM schema_migration WHERE name = '9999_later'")
    assert find_faults(lambda: check_migrations(settings)) == []


@pytest.mark.parametrize("seconds", [-30, 30])
def test_a_clock_that_is_off_is_told_with_its_seconds(seconds: int) -> None:
    finding = check_clock(NOW, NOW + timedelta(seconds=seconds), NOW)
    assert (finding.part, finding.state, finding.remedy) == ("clock", "fault", "timedatectl set-ntp true")
    assert "30 s apart. 5 s are allowed" in finding.said
    assert check_clock(NOW, NOW + timedelta(seconds=4), NOW).state == "well"


def test_a_registry_that_is_away_or_empty_is_named(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"image_repository": f"127.0.0.1:{free_port(0)}/cyclone"})
    ((said, _),) = find_faults(lambda: services.check_registry(away))
    assert "the registry does not answer as it should" in said
    with run_registry(tmp_path / "registry") as registry:
        empty = settings.model_copy(update={"image_repository": f"{registry.address}/cyclone"})
        ((said, remedy),) = find_faults(lambda: services.check_registry(empty))
    assert said.endswith("/base has no base image of this code")
    assert remedy == "python -m training.images.base"


def test_a_cloud_run_that_is_away_or_refuses_is_named_with_the_role(
    start_cloud_run: StartCloudRun, small: ModelSpec, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = f"http://127.0.0.1:{free_port(0)}"
    away = settings.model_copy(update={"models_dir": MODELS, "cloud_run_endpoint": closed})
    ((said, _),) = find_faults(lambda: services.check_cloud_run(away))
    assert "does not answer" in said or "refused" in said
    denied = start_cloud_run("python", "--deny", "run.services.update", "--account", "release")
    denied = denied.model_copy(update={"models_dir": MODELS})
    register_versions(denied, 1)
    deploy(denied, small, 1)
    ((said, remedy),) = find_faults(lambda: services.check_cloud_run(denied))
    assert said == "this account lacks run.services.update"
    assert remedy == (
        "gcloud run services add-iam-policy-binding bike-demand --region local --project local"
        " --member serviceAccount:ACCOUNT --role roles/run.developer"
    )


def test_a_service_that_asks_for_tokens_nobody_can_get_is_named(
    start_cloud_run: StartCloudRun, small: ModelSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asking = start_cloud_run("python", "--account", "release").model_copy(update={"models_dir": MODELS})
    register_versions(asking, 1)
    deploy(asking, small, 1)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    ((said, _),) = find_faults(lambda: services.check_cloud_run(asking))
    assert "asks for an ID token, and there are no credentials to get one" in said


def test_an_mlflow_that_is_away_or_of_another_version_is_named(settings: Settings) -> None:
    ours = metadata.version("mlflow")
    away = settings.model_copy(update={"mlflow_uri": f"http://127.0.0.1:{free_port(0)}"})
    ((said, _),) = find_faults(lambda: services.check_mlflow(away))
    assert "does not answer" in said
    with run_pages({"/version": "2.9.1"}) as address:
        other = settings.model_copy(update={"mlflow_uri": address})
        assert find_faults(lambda: services.check_mlflow(other)) == [
            (f"{address} is MLflow 2.9.1, and the client here {ours}", f"run MLflow {ours} there")
        ]
    ((said, _),) = find_faults(lambda: services.check_mlflow(settings.model_copy(update={"mlflow_uri": ""})))
    assert said.startswith("MLFLOW_TRACKING_URI is empty")


def test_an_airflow_that_is_away_or_without_a_part_is_named() -> None:
    closed = f"http://127.0.0.1:{free_port(0)}"
    ((said, remedy),) = find_faults(lambda: services.check_airflow(closed))
    assert said.startswith(f"{closed} does not say how it is")
    assert remedy == "start its API server: airflow api-server"
    parts = HEALTHY | {"triggerer": {"status": "unhealthy"}, "dag_processor": None}
    with run_pages({"/api/v2/monitor/health": json.dumps(parts)}) as address:
        assert find_faults(lambda: services.check_airflow(address)) == [
            (f"the triggerer at {address} is unhealthy", "start it: airflow triggerer"),
            (f"the dag_processor at {address} is not there", "start it: airflow dag-processor"),
        ]


def test_packages_that_are_missing_or_too_old_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["mlflow>=99", "no-such-package>=1", "rich>=1"]
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    ((said, remedy),) = find_faults(services.check_versions)
    ours = metadata.version("mlflow")
    assert said == f"mlflow {ours} (needed >=99), no-such-package is not installed (needed >=1)"
    assert remedy.startswith("make setup")


def test_files_that_cannot_be_used_are_named(settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "models" / "broken"
    broken.mkdir(parents=True)
    (broken / "model.yaml").write_text("name: other")
    deployment = tmp_path / "deployment.yaml"
    deployment.write_text("models: {nothing: {timeout_seconds: 5}}")
    changed = {"models_dir": tmp_path / "models", "deployment_file": deployment}
    bad = settings.model_copy(update=changed)
    assert "model.yaml" in find_faults(lambda: services.check_models(bad))[0][0]
    ((said, _),) = find_faults(lambda: services.check_deployment(bad))
    assert said == f"{deployment} names nothing, and there is no such model"


def test_the_command_tells_what_mends_a_fault_and_fails(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONE_CLOUD_RUN_ENDPOINT", f"http://127.0.0.1:{free_port(0)}")
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(MODELS))
    monkeypatch.delenv("AIRFLOW__API__BASE_URL", raising=False)
    app = Typer()
    add_commands(app)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "FAULT Cloud Run: " in result.output
    assert "to mend it: Look whether it runs at this address" in result.output
    assert "well  migrations: all " in result.output
    assert "1 fault in " in result.output
    told = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert told["is_well"] is False
    (wrong,) = [item for item in told["diagnoses"] if item["state"] == "fault"]
    assert (wrong["part"], wrong["remedy"][:23]) == ("Cloud Run", "Look whether it runs at")
