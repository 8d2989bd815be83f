"""Every setting, role and secret that the code needs is made, and no more than that."""

import json
import re
from pathlib import Path

import pytest

from cyclone.image_contract import DEPLOYED_VARIABLES
from cyclone.installation.outputs import FOR_PEOPLE, OUTPUTS, find_settings, read_outputs
from cyclone.settings import Settings
from tests.terraform.conftest import EXAMPLES
from tests.terraform.harness.tool import REPOSITORY, SOURCE, Terraform
from tests.terraform.mocked import Grant, Made, list_variables

pytestmark = pytest.mark.terraform
MACHINE = "modules/airflow/machine.tf"
MACHINE_ONLY = {"CYCLONE_MODELS_DIR", "CYCLONE_WORK_DIR"}
"""The settings that say where something is on the machine that runs. Its module says it."""
NOT_MADE = {
    "CYCLONE_SPOOL_DIR": "an instance's own folder, by default among its temporary files",
    "CYCLONE_API_KEYS_FILE": "a file of a person's machine. An installation has its content as a secret.",
    "CYCLONE_WEBHOOK_SECRET_FILE": "a file. The alerts of an installation's Grafana do not reach its Airflow yet.",
    "BENTOML_CONFIG_OPTIONS": "options of BentoML that somebody chooses",
    "CYCLONE_CLOUD_RUN_ENDPOINT": "Google's own is the default",
    "CYCLONE_SECRET_MANAGER_ENDPOINT": "Google's own is the default",
    "CYCLONE_IMAGE_FOUNDATION": "where base images are built, which is no part of an installation",
    "CYCLONE_CONTAINERS": "the local platform's",
    "CYCLONE_CLOCK": "a replay's",
    "CYCLONE_MONITOR_SCHEDULE": "each model's own",
    "CYCLONE_DEPLOYMENT_FILE": "without it a revision keeps all that Terraform gave its service",
    "CYCLONE_MESSAGES_FILE": "a file with a team's own addresses, which it writes itself",
}
"""The settings that Terraform does not make, each with the reason."""
BY_A_RELEASE = {
    "CYCLONE_CALIBRATION": "fitted for a version",
    "CYCLONE_REHEARSAL_TOKEN": "drawn for each deployment",
    "CYCLONE_API_KEYS": "carried by each deployment, from Airflow's own setting",
    "CYCLONE_CLOCK": "a replay's",
    "BENTOML_CONFIG_OPTIONS": "passed on where somebody has chosen any",
    "BENTOML_DO_NOT_TRACK": "said by each deployment",
}
"""The variables of a revision that no shell has, each with the reason."""
ACCESS = "roles/secretmanager.secretAccessor"
SERVING_ACCOUNT = "projects/project-id/serviceAccounts/serving@project-id.iam.gserviceaccount.com"
UPTIME = "serviceAccount:service-123456789012@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
GRANTS = {
    # A release deploys as the serving account, asks candidates, waits for operations, pushes images and removes them.
    Grant("airflow", "roles/run.developer", "bike-demand"),
    Grant("airflow", "roles/run.invoker", "bike-demand"),
    Grant("airflow", "roles/run.viewer", "project"),
    Grant("airflow", "roles/iam.serviceAccountUser", SERVING_ACCOUNT),
    Grant("airflow", "roles/artifactregistry.repoAdmin", "cyclone"),
    Grant("airflow", "roles/artifactregistry.reader", "cyclone-platform"),
    Grant("airflow", "roles/artifactregistry.reader", "cyclone-python"),
    Grant("airflow", "roles/storage.objectUser", "project-id-cyclone-work"),
    Grant("airflow", "roles/logging.logWriter", "project"),
    Grant("airflow", ACCESS, "secret dsn-airflow"),
    Grant("airflow", ACCESS, "secret dsn-training"),
    Grant("serving", ACCESS, "secret dsn-serving"),
    Grant("migrations", ACCESS, "secret dsn-owner"),
    Grant("mlflow", ACCESS, "secret dsn-mlflow"),
    Grant("mlflow", "roles/storage.objectUser", "project-id-cyclone-mlflow"),
    Grant("grafana", ACCESS, "secret dsn-grafana"),
    Grant("grafana", ACCESS, "secret grafana-admin"),
    Grant("grafana", "roles/monitoring.viewer", "project"),
    Grant("build", "roles/artifactregistry.writer", "cyclone"),
    Grant("build", "roles/artifactregistry.writer", "cyclone-platform"),
    Grant("build", "roles/artifactregistry.writer", "cyclone-python"),
    Grant("build", "roles/storage.objectViewer", "project-id-cyclone-work"),
    Grant("build", "roles/logging.logWriter", "project"),
    Grant("group:clients@example.org", "roles/run.invoker", "bike-demand"),
    Grant("group:team@example.org", "roles/run.invoker", "cyclone-grafana"),
    Grant(UPTIME, "roles/run.invoker", "bike-demand"),
}
OF_AN_EXAMPLE = {
    "minimal": {
        Grant("airflow", ACCESS, "secret dsn-airflow-metadata"),
        Grant("airflow", ACCESS, "secret airflow-fernet-key"),
        Grant("airflow", ACCESS, "secret airflow-jwt-key"),
    },
    "production": {
        Grant("airflow", "roles/composer.worker", "project"),
        Grant("airflow", ACCESS, "secret api-keys"),
    },
}


def is_production(made: Made) -> bool:
    return made.find("google_composer_environment") != []


def list_settings() -> set[str]:
    return {str(field.validation_alias or f"CYCLONE_{name.upper()}") for name, field in Settings.model_fields.items()}


def test_every_setting_is_made_or_has_a_reason_why_not() -> None:
    made = {output.variable for output in OUTPUTS.values() if not output.variable.startswith("AIRFLOW__")}
    assert made | MACHINE_ONLY | set(NOT_MADE) == list_settings()
    machine = (SOURCE / MACHINE).read_text()
    assert [name for name in sorted(MACHINE_ONLY) if name not in machine] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_hands_on_the_outputs_that_the_command_knows(example: str) -> None:
    declared = set(
        re.findall(r'^output "(\w+)"', (SOURCE / f"examples/{example}/outputs.tf").read_text(), re.MULTILINE)
    )
    assert declared == set(OUTPUTS) | FOR_PEOPLE


def test_outputs_become_settings(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "terraform.json"
    path.write_text(json.dumps(made.outputs))
    found = find_settings(read_outputs(path), lambda name: f"value-of-{name}")
    needed = {output.variable for output in OUTPUTS.values() if output.is_required}
    own = (
        {"CYCLONE_API_KEYS"}
        if is_production(made)
        else {v.variable for v in OUTPUTS.values() if "AIRFLOW" in v.variable}
    )
    assert set(found) == needed | own


def test_the_machine_gets_the_outputs_that_the_command_reads(made: Made, tmp_path: Path) -> None:
    for machine in made.find("google_compute_instance"):
        script = machine["metadata"]["user-data"]
        line = next(line for line in script.splitlines() if line.strip().startswith('{"'))
        path = tmp_path / "outputs.json"
        path.write_text(line)
        assert read_outputs(path) == {
            name: made.outputs[name]["value"] for name in OUTPUTS if name in made.outputs and name != "api_keys_secret"
        }
        assert "cyclone configure --from-terraform /etc/cyclone/outputs.json --to /run/cyclone/settings.env" in script
        assert machine["network_interface"][0]["access_config"] == []


def test_composer_gets_the_settings_and_names_of_secrets(made: Made) -> None:
    for environment in made.find("google_composer_environment"):
        variables = environment["config"][0]["software_config"][0]["env_variables"]
        needed = {output.variable for output in OUTPUTS.values() if output.is_required}
        assert set(variables) == needed | MACHINE_ONLY | {"CYCLONE_API_KEYS"}
        assert variables["CYCLONE_API_KEYS"] == made.outputs["api_keys_secret"]["value"] + "/versions/latest"
        assert variables["CYCLONE_STORE_DSN"] == made.outputs["store_dsn_secret"]["value"] + "/versions/latest"


def test_every_variable_of_a_revision_is_in_the_shell_or_given_by_a_release(made: Made) -> None:
    shell = next(item for item in made.find("google_cloud_run_v2_service") if item["name"] == "bike-demand")
    given = {name for name, _, _ in list_variables(shell)}
    assert given == {"CYCLONE_STORE_DSN"}
    assert given | set(BY_A_RELEASE) == set(DEPLOYED_VARIABLES)


def test_the_roles_are_those_that_are_needed_and_no_others(made: Made) -> None:
    example = "production" if is_production(made) else "minimal"
    assert made.list_grants() == GRANTS | OF_AN_EXAMPLE[example]


def test_a_role_that_is_too_wide_and_one_that_is_missing_are_found(changed: Terraform) -> None:
    changed.edit("modules/identity/main.tf", '"roles/run.viewer"        =', '"roles/run.admin"        =')
    changed.edit("modules/serving/main.tf", '["roles/run.developer", "roles/run.invoker"]', '["roles/run.developer"]')
    changed.prepare("examples/minimal")
    found = Made.read(changed.run("examples/minimal", "test", "-json", "-verbose")).list_grants()
    expected = GRANTS | OF_AN_EXAMPLE["minimal"]
    assert found - expected == {Grant("airflow", "roles/run.admin", "project")}
    assert expected - found == {
        Grant("airflow", "roles/run.viewer", "project"),
        Grant("airflow", "roles/run.invoker", "bike-demand"),
    }


def test_every_account_is_used_and_every_service_has_one_of_its_own(made: Made) -> None:
    accounts = {}
    for item in made.find("google_cloud_run_v2_service"):
        accounts[item["name"]] = item["template"][0]["service_account"].partition("@")[0]
    assert accounts == {"bike-demand": "serving", "cyclone-mlflow": "mlflow", "cyclone-grafana": "grafana"}
    job = made.find("google_cloud_run_v2_job")[0]["template"][0]["template"][0]
    assert job["service_account"].partition("@")[0] == "migrations"


def test_every_secret_has_a_value_by_a_write_only_argument_but_the_one_that_a_person_adds(made: Made) -> None:
    secrets = {item["id"]: item["secret_id"] for item in made.find("google_secret_manager_secret")}
    versions = made.find("google_secret_manager_secret_version")
    assert [item for item in versions if item["secret_data"] or item["secret_data_wo_version"] != "1"] == []
    without = {name for key, name in secrets.items() if key not in {item["secret"] for item in versions}}
    assert without == ({"cyclone-api-keys"} if is_production(made) else set())
    assert [user["name"] for user in made.find("google_sql_user") if user["password"] is not None] == []


def test_what_is_secret_reaches_a_container_by_reference(made: Made) -> None:
    found = {}
    for kind in ("google_cloud_run_v2_service", "google_cloud_run_v2_job"):
        for item in made.find(kind):
            for name, value, source in list_variables(item):
                if re.search("DSN|PASSWORD|URI|SECRET|KEY|TOKEN", name):
                    found[item["name"], name] = (value or None, bool(source))
    assert set(found.values()) == {(None, True)}
    assert len(found) == 5


def test_the_store_is_private_and_can_be_brought_back_to_any_minute(made: Made) -> None:
    instances = {item["name"]: item for item in made.find("google_sql_database_instance")}
    primary = instances.pop("cyclone")
    settings = primary["settings"][0]
    assert primary["database_version"] == "POSTGRES_18"
    assert settings["edition"] == "ENTERPRISE"
    assert settings["ip_configuration"][0]["ipv4_enabled"] is False
    assert settings["ip_configuration"][0]["ssl_mode"] == "ENCRYPTED_ONLY"
    assert settings["backup_configuration"][0]["point_in_time_recovery_enabled"] is True
    assert list(instances) == (["cyclone-replica"] if is_production(made) else [])
    for replica in instances.values():
        assert replica["master_instance_name"] == "cyclone"
        flags = {flag["name"]: flag["value"] for flag in replica["settings"][0]["database_flags"]}
        assert flags["hot_standby_feedback"] == "on"


def test_alerts_look_for_lines_that_the_code_writes(made: Made) -> None:
    filters = {item["name"]: item["filter"] for item in made.find("google_logging_metric")}
    pattern = re.search(r'textPayload=~"(.*)"', filters["cyclone/log-loss"])
    assert pattern is not None
    line = re.compile(r'(?:logger\.error\(\s*|words = )"(prediction log: [^"]*)"')
    written = [
        words for path in (REPOSITORY / "bento_service/log").glob("*.py") for words in line.findall(path.read_text())
    ]
    assert len(written) >= 6
    assert [line for line in written if re.search(pattern[1], line) is None] == []
    assert re.search(pattern[1], "prediction log: the store is away, rows wait in the spool") is None
    import airflow.models.dagrun

    source = Path(airflow.models.dagrun.__file__).read_text()
    for ending in ("failed", "ended"):
        words = {"failed": " failed", "ended": " successful"}[ending]
        assert f"Marking run %s{words}" in source
        assert words in filters[f"cyclone/monitor-{ending}"]
    assert "<DagRun {self.dag_id}" in source
    assert "Marking run <DagRun monitor__" in filters["cyclone/monitor-failed"]


def test_somebody_is_told(made: Made) -> None:
    channel = made.find("google_monitoring_notification_channel")[0]["id"]
    policies = made.find("google_monitoring_alert_policy")
    assert {item["display_name"] for item in policies} == {
        "cyclone: log-loss",
        "cyclone: monitor-failed",
        "cyclone: no monitor",
        "cyclone: a service does not answer",
    }
    assert [item["display_name"] for item in policies if item["notification_channels"] != [channel]] == []
    assert made.find("google_billing_budget")[0]["all_updates_rule"][0]["monitoring_notification_channels"] == [channel]
    assert [item["display_name"] for item in made.find("google_monitoring_uptime_check_config")] == [
        "cyclone: bike_demand"
    ]
