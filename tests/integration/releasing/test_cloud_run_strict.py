"""The Cloud Run stand-in under the conditions of Google Cloud: secrets, sidecars, quotas, and instances that go."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from google.api_core.exceptions import FailedPrecondition, Forbidden, GoogleAPICallError, TooManyRequests
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2

from cyclone.errors import ReleaseError
from cyclone.sections import Serving
from cyclone.settings import Settings
from local_platform.processes import free_port
from releasing.cloud_run import CloudRun as Client
from releasing.revisions.deployment import Deployment
from tests.support.cloud_run_driver import (
    IMAGE,
    PARENT,
    CloudRun,
    ask,
    build_template,
    load,
    pin,
    run_cloud_run,
    wait_for,
)

QUOTA = ("--quota", "8/1")


@pytest.fixture(scope="module")
def secrets_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "greeting").mkdir()
    for version, value in (("1", "hello"), ("2", "good day")):
        (folder / "greeting" / version).write_text(value)
    return folder


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, secrets_folder: Path) -> Iterator[CloudRun]:
    flags = ("--secrets-dir", str(secrets_folder), "--ephemeral", "--account", "serving")
    with run_cloud_run(tmp_path_factory.mktemp("strict"), *flags) as running:
        yield running


def create(cloud_run: CloudRun, service_id: str, template: dict[str, Any]) -> Any:
    service = {"template": template, "invoker_iam_disabled": True}
    return cloud_run.services.create_service(parent=PARENT, service_id=service_id, service=service).result(timeout=60)


def take(secret: str, version: str = "latest") -> dict[str, Any]:
    return {"name": "GREETING", "value_source": {"secret_key_ref": {"secret": secret, "version": version}}}


def with_variable(variable: dict[str, Any], **settings: Any) -> dict[str, Any]:
    template = build_template(**settings)
    template["containers"][0]["env"] = [variable]
    return template


def test_a_variable_is_the_value_of_its_secret_and_a_missing_one_fails_the_revision(strict: CloudRun) -> None:
    service = create(strict, "secret", with_variable(take("projects/p/secrets/greeting"), revision="secret-one"))
    assert ask(service.uri)["environment"]["GREETING"] == "good day"
    assert strict.get("secret").template.containers[0].env[0].value == ""
    service.template = with_variable(take("greeting", "1"), revision="secret-two")
    assert ask(strict.update(service).uri)["environment"]["GREETING"] == "hello"
    service = strict.get("secret")
    service.template = with_variable(take("nothing"), revision="secret-three")
    with pytest.raises(FailedPrecondition, match="secrets/nothing/versions/latest was not found"):
        strict.update(service)


def test_a_failed_revision_in_the_traffic_list_fails_a_good_one(strict: CloudRun) -> None:
    service = create(strict, "poison", build_template(revision="poison-one"))
    service.template = build_template(env={"MODE": "fail"}, revision="poison-two")
    service.traffic = [pin("poison-one", 100), pin("poison-two", 0, "bad")]
    with pytest.raises(FailedPrecondition, match="poison-two' is not ready"):
        strict.update(service)
    service = strict.get("poison")
    service.template = build_template(revision="poison-three")
    service.traffic = [*service.traffic, pin("poison-three", 0, "good")]
    with pytest.raises(FailedPrecondition, match="Revision 'poison-two' is not ready and cannot serve traffic"):
        strict.update(service)
    address = Settings(cloud_run_endpoint=strict.address)
    running = Client(address).deploy("poison", "poison-four", "four", IMAGE, Serving(), {})
    assert (running.percents, running.tags) == ({"poison-one": 100}, {"four": "poison-four"})


def test_a_release_takes_a_revision_that_failed_out_of_the_traffic_list(strict: CloudRun) -> None:
    client = Client(Settings(cloud_run_endpoint=strict.address))
    create(strict, "taken", build_template(revision="taken-one"))
    with pytest.raises(ReleaseError, match="taken-two' is not ready"):
        client.deploy("taken", "taken-two", "two", IMAGE, Serving(), {"MODE": "fail"})
    assert [target.tag for target in strict.get("taken").traffic] == [""]


def test_a_deployment_that_failed_is_tried_again_and_takes_its_variables_from_secrets(
    strict: CloudRun, secrets_folder: Path
) -> None:
    client = Client(Settings(cloud_run_endpoint=strict.address))
    deployment = Deployment.model_validate({"secrets": {"GREETING": "projects/p/secrets/later"}})
    create(strict, "again", build_template(revision="again-one"))
    asked: Any = ("again", "again-two", "two", IMAGE, Serving(), {"GREETING": "a plain value"}, deployment)
    with pytest.raises(ReleaseError, match="secrets/later/versions/latest was not found"):
        client.deploy(*asked)
    (secrets_folder / "later").mkdir()
    (secrets_folder / "later" / "1").write_text("at last")
    running = client.deploy(*asked)
    assert running.percents == {"again-one": 100}
    assert ask(running.tag_addresses["two"])["environment"]["GREETING"] == "at last"


def test_a_first_release_into_a_shell_keeps_its_account_its_network_and_its_secret(strict: CloudRun) -> None:
    account = "serving@local.iam.gserviceaccount.com"
    network = {"network_interfaces": [{"subnetwork": "private"}]}
    shell = with_variable(take("greeting"), revision="shell-one", service_account=account, vpc_access=network)
    create(strict, "shell", shell)  # its traffic follows the latest revision, as a shell of Terraform's does
    client = Client(Settings(cloud_run_endpoint=strict.address))
    running = client.deploy("shell", "shell-v1", "v1", IMAGE, Serving(), {"GREETING": "a plain value"})
    assert running.percents == {"shell-one": 100}
    client.set_traffic("shell", {"shell-v1": 100})
    assert ask(running.address)["environment"]["GREETING"] == "good day"
    template = strict.get("shell").template
    assert (template.revision, template.service_account) == ("shell-v1", account)
    assert template.vpc_access.network_interfaces[0].subnetwork == "private"


def test_containers_start_in_the_order_of_their_dependencies_and_end_together(strict: CloudRun) -> None:
    template, port = build_template(revision="pair-one", scaling={"min_instance_count": 1}), free_port(0)
    probe = {"tcp_socket": {"port": port}, "period_seconds": 1, "failure_threshold": 30}
    sidecar = {"name": "proxy", "image": IMAGE, "args": [str(port)], "startup_probe": probe}
    template["containers"][0] |= {"name": "model", "ports": [{"container_port": 8080}], "depends_on": ["proxy"]}
    template["containers"].append(sidecar)
    service = create(strict, "pair", template)
    model, proxy = (psutil.Process(ask(uri)["pid"]) for uri in (service.uri, f"http://127.0.0.1:{port}"))
    assert proxy.create_time() < model.create_time()
    assert ask(f"http://127.0.0.1:{port}")["environment"]["PORT"] is None
    proxy.kill()
    wait_for(lambda: not model.is_running())
    assert ask(service.uri)["pid"] != model.pid


def test_files_of_an_instance_are_its_memory_and_go_with_it(strict: CloudRun) -> None:
    template = build_template(revision="files-one")
    template["containers"][0]["resources"] = {"limits": {"memory": "128Mi"}}
    service = create(strict, "files", template)
    pid = ask(f"{service.uri}", "/write?megabytes=5")["pid"]
    folder = Path(psutil.Process(pid).environ()["TMPDIR"])
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) == 5 << 20
    requests.get(f"{service.uri}/write?megabytes=200", timeout=30)
    wait_for(lambda: not psutil.pid_exists(pid))
    wait_for(lambda: not folder.exists())


def test_a_revision_acts_as_an_account_that_is_there(strict: CloudRun) -> None:
    unknown = build_template(service_account="nobody@local.iam.gserviceaccount.com")
    with pytest.raises(Forbidden, match=r"iam\.serviceaccounts\.actAs' denied on service account nobody@"):
        create(strict, "account", unknown)
    create(strict, "account", build_template(service_account="serving@local.iam.gserviceaccount.com"))


def test_grpc_is_not_spoken(strict: CloudRun) -> None:
    import grpc  # type: ignore[import-untyped]
    from google.cloud.run_v2.services.services.transports import ServicesGrpcTransport

    channel = grpc.insecure_channel(strict.address.removeprefix("http://"))
    transport = ServicesGrpcTransport(channel=channel, credentials=AnonymousCredentials())
    with run_v2.ServicesClient(transport=transport) as client, pytest.raises(GoogleAPICallError):
        client.get_service(name=f"{PARENT}/services/any", timeout=5, retry=None)


def test_maintenance_replaces_instances_and_no_request_fails(tmp_path: Path) -> None:
    with run_cloud_run(
        tmp_path, "--restart-seconds", "1", "--random-split", "--traffic-delay-seconds", "1"
    ) as cloud_run:
        service = cloud_run.create("kept", scaling={"min_instance_count": 1}, revision="kept-old")
        wait_for(lambda: requests.get(service.uri, timeout=30).ok)
        first = ask(service.uri)["pid"]
        with load(service.uri, threads=1) as counts:
            wait_for(lambda: ask(service.uri)["pid"] != first)
            cloud_run.deploy_candidate(cloud_run.get("kept"), "kept-new")
            cloud_run.move("kept", old=50, new=50)
            assert counts["kept-new"] == 0  # the new split takes effect a second later
            wait_for(lambda: counts["kept-new"] > 0)
        assert set(counts) == {"kept-old", "kept-new"}


def test_a_call_beyond_the_quota_is_refused_and_a_release_waits(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path, *QUOTA) as cloud_run:
        client = Client(Settings(cloud_run_endpoint=cloud_run.address))
        for number in (1, 2, 3):
            client.deploy("many", f"many-v{number}", f"v{number}", IMAGE, Serving(min_instances=0), {})
        with pytest.raises(TooManyRequests, match="Quota exceeded for quota metric"):
            ask_often(cloud_run, 20)


def ask_often(cloud_run: CloudRun, times: int) -> None:
    for _ in range(times):
        cloud_run.services.get_service(name=f"{PARENT}/services/many", retry=None)
