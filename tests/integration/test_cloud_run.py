"""The Cloud Run stand-in, driven by Google's own client and by real requests to real instances."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, FailedPrecondition, GoogleAPICallError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.protobuf import field_mask_pb2

from local_platform.processes import GuardedProcess, free_port, wait_until_ready

REPOSITORY = Path(__file__).parents[2]
IMAGE = str(Path(__file__).with_name("cloud_run_image.py"))
PARENT = "projects/local/locations/local"
LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
PINNED = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
DEADLINE_SECONDS = 30.0


@dataclass
class CloudRun:
    """A running stand-in and Google's clients for it."""

    process: GuardedProcess
    address: str
    services: Any
    revisions: Any

    def create(self, service_id: str, **template: Any) -> Any:
        service = {"template": build_template(**template)}
        operation = self.services.create_service(parent=PARENT, service_id=service_id, service=service)
        return operation.result(timeout=DEADLINE_SECONDS)

    def update(self, service: Any) -> Any:
        return self.services.update_service(service=service).result(timeout=DEADLINE_SECONDS)

    def get(self, service_id: str) -> Any:
        return self.services.get_service(name=f"{PARENT}/services/{service_id}")

    def deploy_candidate(self, service: Any, revision: str, **template: Any) -> Any:
        """A new revision behind the tag `candidate`; the traffic stays where it is."""
        live = service.traffic_statuses[0].revision
        service.template = build_template(revision=revision, **template)
        service.traffic = [pin(live, 100), pin(revision, 0, "candidate")]
        return self.update(service)

    def move(self, service_id: str, **percents: int) -> Any:
        service = self.get(service_id)
        service.traffic = [pin(f"{service_id}-{name}", percent) for name, percent in percents.items()]
        return self.update(service)


def build_template(image: str = IMAGE, env: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    probe = settings.pop("startup_probe", {"http_get": {"path": "/ready"}, "period_seconds": 10})
    return {"containers": [{"image": image, "env": variables, "startup_probe": probe}], **settings}


def pin(revision: str, percent: int, tag: str = "") -> dict[str, Any]:
    return {"type_": PINNED, "revision": revision, "percent": percent, "tag": tag}


def build_command(port: int, state_dir: Path, *flags: str) -> list[str]:
    command = [sys.executable, "-m", "local_platform.cloud_run", "--runner", "python"]
    return [*command, "--port", str(port), "--state-dir", str(state_dir), *flags]


@contextmanager
def run_cloud_run(state_dir: Path, *flags: str) -> Iterator[CloudRun]:
    port = free_port(0)
    address = f"http://127.0.0.1:{port}"
    options: Any = {
        "credentials": AnonymousCredentials(),
        "transport": "rest",
        "client_options": {"api_endpoint": address},
    }
    command, log = build_command(port, state_dir, *flags), state_dir / "cloud_run.log"
    with GuardedProcess.start("cloud_run", command, None, log, grace_seconds=30, cwd=REPOSITORY) as process:
        wait_until_ready(f"{address}/healthz", DEADLINE_SECONDS, process)
        with run_v2.ServicesClient(**options) as services, run_v2.RevisionsClient(**options) as revisions:
            yield CloudRun(process, address, services, revisions)


@pytest.fixture(scope="module")
def cloud_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudRun]:
    with run_cloud_run(tmp_path_factory.mktemp("cloud_run"), "--pending-seconds", "20") as running:
        yield running


def ask(uri: str, path: str = "/", **options: Any) -> dict[str, Any]:
    answer = requests.get(uri + path, timeout=DEADLINE_SECONDS, **options)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ask_revision(uri: str) -> str:
    return str(ask(uri)["environment"]["K_REVISION"])


def wait_for(is_met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_met():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)


def count_instances(address: str, revision: str, state: str = "ready") -> float:
    text = requests.get(f"{address}/metrics", timeout=DEADLINE_SECONDS).text
    start = "cyclone_cloud_run_instances{"
    lines = [line for line in text.splitlines() if line.startswith(start)]
    (line,) = [each for each in lines if f'revision="{revision}"' in each and f'state="{state}"' in each]
    return float(line.split()[-1])


@contextmanager
def load(uri: str, threads: int = 3) -> Iterator[Counter[str]]:
    """Requests without a pause from several clients; counts who answered, or what went wrong."""
    counts: Counter[str] = Counter()
    stop = threading.Event()

    def send() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    answer = session.post(uri, data=b"{}", timeout=DEADLINE_SECONDS)
                    seen = answer.json()["environment"]["K_REVISION"] if answer.ok else f"error {answer.status_code}"
                except requests.RequestException as error:
                    seen = f"error {error!r}"
                counts[seen] += 1

    with ThreadPoolExecutor(threads) as pool:
        sending = [pool.submit(send) for _ in range(threads)]
        try:
            yield counts
        finally:
            stop.set()
        for each in sending:
            each.result()


def test_a_created_service_is_ready_and_answers(cloud_run: CloudRun) -> None:
    service = cloud_run.create("first", env={"GREETING": "hello"}, revision="first-one")
    assert service.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED
    assert (service.generation, service.observed_generation, service.reconciling) == (1, 1, False)
    assert service.latest_ready_revision == f"{PARENT}/services/first/revisions/first-one"
    identity = ask(service.uri, "/predict?x=%20a%2Fb", headers={"traceparent": "00-abc-def-01"})
    port = identity["environment"].pop("PORT")
    assert identity["environment"] == {
        "K_SERVICE": "first",
        "K_REVISION": "first-one",
        "K_CONFIGURATION": "first",
        "GREETING": "hello",
    }
    assert port not in service.uri
    assert identity["path"] == "/predict?x=%20a%2Fb"
    assert identity["headers"]["traceparent"] == "00-abc-def-01"
    assert identity["headers"]["Host"] == service.uri.removeprefix("http://")


def test_bodies_pass_in_both_directions_whatever_their_size(cloud_run: CloudRun) -> None:
    uri = cloud_run.create("bodies").uri
    for size in (0, 10, 3_000_000):
        answer = requests.post(uri, data=b"x" * size, timeout=DEADLINE_SECONDS)
        assert answer.json()["received_bytes"] == size
    assert requests.get(f"{uri}/stream", timeout=DEADLINE_SECONDS).text == "one two three"
    head = requests.head(uri, timeout=DEADLINE_SECONDS)
    assert (head.status_code, int(head.headers["Content-Length"]) > 0, head.content) == (200, True, b"")


def test_a_candidate_is_reached_by_its_tag_then_shares_the_traffic_by_percent(cloud_run: CloudRun) -> None:
    service = cloud_run.deploy_candidate(cloud_run.create("split", revision="split-old"), "split-new")
    tag = service.traffic_statuses[1]
    assert (tag.tag, tag.revision, tag.percent) == ("candidate", "split-new", 0)
    assert ask_revision(tag.uri) == "split-new"
    assert {ask_revision(service.uri) for _ in range(20)} == {"split-old"}
    moved = cloud_run.move("split", old=80, new=20)
    assert moved.generation == 3
    assert len(list(cloud_run.revisions.list_revisions(parent=service.name))) == 2
    counts = Counter(ask_revision(service.uri) for _ in range(50))
    assert counts == {"split-old": 40, "split-new": 10}
    with pytest.raises(requests.ConnectionError):
        ask(tag.uri)


def test_promoting_and_rolling_back_under_load_fails_no_request(cloud_run: CloudRun) -> None:
    service = cloud_run.create("promote", revision="promote-old")
    with load(service.uri) as counts:
        cloud_run.deploy_candidate(service, "promote-new")
        for percent in (5, 50, 100):
            cloud_run.move("promote", old=100 - percent, new=percent)
            seen = counts["promote-new"]
            wait_for(lambda seen=seen: counts["promote-new"] > seen + 20)  # type: ignore[misc]
        wait_for(lambda: count_instances(cloud_run.address, "promote-old") == 0)
        seen_old = counts["promote-old"]
        cloud_run.move("promote", old=100)
        wait_for(lambda: counts["promote-old"] > seen_old + 20)
    assert set(counts) == {"promote-old", "promote-new"}


def test_a_change_from_an_older_version_conflicts(cloud_run: CloudRun) -> None:
    old = cloud_run.create("etag")
    newer = cloud_run.get("etag")
    newer.description = "changed meanwhile"
    assert cloud_run.update(newer).etag != old.etag
    with pytest.raises(Conflict, match="current version is"):
        cloud_run.services.update_service(service=old)
    with pytest.raises(Conflict, match="current version is"):
        cloud_run.services.delete_service(request={"name": old.name, "etag": old.etag})


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        ([pin("bad-one", 90)], "must sum to 100, not 90"),
        ([pin("bad-two", 100)], "Revision 'bad-two' was not found"),
        ([pin("bad-one", 100, "a"), pin("bad-one", 0, "a")], "tag 'a' is given to more than one"),
        ([pin("bad-one", 100, "A_")], "'A_' is not allowed"),
    ],
)
def test_bad_traffic_is_refused_and_nothing_changes(
    cloud_run: CloudRun, traffic: list[dict[str, Any]], message: str
) -> None:
    if "bad" not in {each.name.rsplit("/", 1)[-1] for each in cloud_run.services.list_services(parent=PARENT)}:
        cloud_run.create("bad", revision="bad-one")
    service = cloud_run.get("bad")
    service.traffic = traffic
    with pytest.raises(BadRequest, match=message):
        cloud_run.services.update_service(service=service)
    assert cloud_run.get("bad").generation == 1


def test_bad_names_missing_images_and_twins_are_refused(cloud_run: CloudRun) -> None:
    create = cloud_run.services.create_service
    service = {"template": build_template()}
    with pytest.raises(BadRequest, match="'Twin' is not allowed"):
        create(parent=PARENT, service_id="Twin", service=service)
    with pytest.raises(BadRequest, match="image: must be provided"):
        create(parent=PARENT, service_id="twin", service={"template": build_template(image="")})
    with pytest.raises(NotFound, match="'projects/other/locations/local' is not here"):
        create(parent="projects/other/locations/local", service_id="twin", service=service)
    with pytest.raises(NotFound, match="services/twin' was not found"):
        cloud_run.get("twin")
    cloud_run.create("twin")
    with pytest.raises(Conflict, match="'twin' already exists"):
        create(parent=PARENT, service_id="twin", service=service)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("fail", "ended with code 1.*the model file is missing"), ("hang", "did not answer GET /ready")],
)
def test_a_revision_that_never_gets_ready_fails_and_traffic_stays(cloud_run: CloudRun, mode: str, reason: str) -> None:
    name = f"broken-{mode}"
    service = cloud_run.create(name, revision=f"{name}-one")
    probe = {"http_get": {"path": "/ready"}, "period_seconds": 1, "failure_threshold": 1}
    service.template = build_template(env={"MODE": mode}, revision=f"{name}-two", startup_probe=probe)
    with pytest.raises(FailedPrecondition, match=rf"(?s)Revision '{name}-two' is not ready.*{reason}"):
        cloud_run.update(service)
    failed = cloud_run.get(name)
    assert failed.terminal_condition.state == run_v2.Condition.State.CONDITION_FAILED
    assert failed.observed_generation == 1
    assert failed.latest_ready_revision.endswith(f"{name}-one")
    assert ask_revision(failed.uri) == f"{name}-one"
    back = cloud_run.move(name, one=100)
    assert back.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED


def test_revisions_are_got_listed_by_page_and_deleted_once_retired(cloud_run: CloudRun) -> None:
    service = cloud_run.create("pages", revision="pages-a")
    for name in ("pages-b", "pages-c"):
        service.template = build_template(revision=name)
        service = cloud_run.update(service)
    pages = list(cloud_run.revisions.list_revisions(request={"parent": service.name, "page_size": 2}).pages)
    assert [[each.name[-1] for each in page.revisions] for page in pages] == [["c", "b"], ["a"]]
    retired = f"{service.name}/revisions/pages-a"
    assert cloud_run.revisions.get_revision(name=retired).containers[0].image == IMAGE
    with pytest.raises(BadRequest, match="has traffic or a tag"):
        cloud_run.revisions.delete_revision(name=f"{service.name}/revisions/pages-c")
    deleted = cloud_run.revisions.delete_revision(name=retired).result(timeout=DEADLINE_SECONDS)
    assert deleted.name == retired
    with pytest.raises(NotFound):
        cloud_run.revisions.get_revision(name=retired)


def test_a_deleted_service_and_its_instances_are_gone(cloud_run: CloudRun) -> None:
    service = cloud_run.create("gone")
    pid = ask(service.uri)["pid"]
    cloud_run.services.delete_service(name=service.name).result(timeout=DEADLINE_SECONDS)
    assert not psutil.pid_exists(pid)
    with pytest.raises(requests.ConnectionError):
        ask(service.uri)
    with pytest.raises(NotFound):
        cloud_run.get("gone")


def test_a_dry_run_and_allow_missing_do_what_they_say(cloud_run: CloudRun) -> None:
    service = run_v2.Service(name=f"{PARENT}/services/dry", template=build_template())
    with pytest.raises(NotFound):
        cloud_run.services.update_service(service=service)
    create = {"parent": PARENT, "service_id": "dry", "service": service, "validate_only": True}
    validated = cloud_run.services.create_service(request=create).result(timeout=DEADLINE_SECONDS)
    assert validated.template.max_instance_request_concurrency == 80
    with pytest.raises(NotFound):
        cloud_run.get("dry")
    operation = cloud_run.services.update_service(request={"service": service, "allow_missing": True})
    assert operation.result(timeout=DEADLINE_SECONDS).generation == 1
    mask = field_mask_pb2.FieldMask(paths=["description"])
    service.description = "only this"
    masked = cloud_run.services.update_service(service=service, update_mask=mask).result(timeout=DEADLINE_SECONDS)
    assert (masked.description, masked.generation) == ("only this", 2)


def test_operations_are_polled_waited_for_and_listed(cloud_run: CloudRun) -> None:
    service = {"template": build_template()}
    operation = cloud_run.services.create_service(parent=PARENT, service_id="waited", service=service)
    url = f"{cloud_run.address}/v2/{operation.operation.name}"
    waited = requests.post(f"{url}:wait", json={"timeout": "20s"}, timeout=DEADLINE_SECONDS).json()
    assert waited["done"] is True
    assert waited["response"]["@type"] == "type.googleapis.com/google.cloud.run.v2.Service"
    assert requests.get(url, timeout=DEADLINE_SECONDS).json() == waited
    listed = requests.get(f"{cloud_run.address}/v2/{PARENT}/operations", timeout=DEADLINE_SECONDS).json()
    assert waited in listed["operations"]
    missing = requests.get(f"{url}x", timeout=DEADLINE_SECONDS)
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_busy_instances_get_help_up_to_the_maximum(cloud_run: CloudRun) -> None:
    scaling = {"max_instance_count": 2}
    service = cloud_run.create("busy", max_instance_request_concurrency=1, scaling=scaling, revision="busy-one")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(service.uri, "/sleep?seconds=0.3"), range(6)))
    assert len({answer["pid"] for answer in answers}) == 2


def test_an_instance_that_dies_costs_its_own_request_only(cloud_run: CloudRun) -> None:
    service = cloud_run.create("mortal", scaling={"min_instance_count": 1}, revision="mortal-one")
    before = ask(service.uri)["pid"]
    died = requests.get(f"{service.uri}/exit", timeout=DEADLINE_SECONDS)
    assert died.status_code == 503
    wait_for(lambda: not psutil.pid_exists(before))
    after = ask(service.uri)["pid"]
    assert after != before
    os.kill(after, signal.SIGKILL)
    wait_for(lambda: count_instances(cloud_run.address, "mortal-one") == 1 and not psutil.pid_exists(after))
    assert ask(service.uri)["pid"] not in (before, after)


def test_requests_are_counted_by_service_revision_and_code(cloud_run: CloudRun) -> None:
    service = cloud_run.create("counted", revision="counted-one")
    for _ in range(3):
        ask(service.uri)
    text = requests.get(f"{cloud_run.address}/metrics", timeout=DEADLINE_SECONDS).text
    labels = 'code_class="2xx",revision="counted-one",service="counted"'
    assert f"cyclone_cloud_run_requests_total{{{labels}}} 3.0" in text.splitlines()


def test_an_idle_service_has_no_instance_and_the_next_request_starts_one(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path, "--idle-seconds", "0.3") as cloud_run:
        service = cloud_run.create("idle", revision="idle-one")
        first = ask(service.uri)["pid"]
        wait_for(lambda: count_instances(cloud_run.address, "idle-one") == 0)
        wait_for(lambda: not psutil.pid_exists(first))
        assert ask(service.uri)["pid"] != first


def test_a_request_in_flight_is_answered_although_everything_is_told_to_stop(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run, ThreadPoolExecutor(1) as pool:
        service = cloud_run.create("drain")
        pid = ask(service.uri)["pid"]
        answer = pool.submit(ask, service.uri, "/sleep?seconds=1")
        (log,) = (tmp_path / "logs").glob("drain-*.log")
        wait_for(lambda: "sleeping" in log.read_text())
        cloud_run.process.stop()
        assert answer.result()["pid"] == pid
        assert not psutil.pid_exists(pid)


def test_addresses_revisions_and_traffic_survive_a_restart(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run:
        created = cloud_run.create("stay", revision="stay-old", scaling={"min_instance_count": 1})
        before = cloud_run.deploy_candidate(created, "stay-new")
        first = ask(before.uri)["pid"]
    assert not psutil.pid_exists(first)
    with run_cloud_run(tmp_path) as cloud_run:
        wait_for(lambda: count_instances(cloud_run.address, "stay-old") == 1)
        assert count_instances(cloud_run.address, "stay-new") == 0
        assert cloud_run.get("stay") == before
        assert ask_revision(before.uri) == "stay-old"
        assert ask_revision(before.traffic_statuses[1].uri) == "stay-new"


def test_a_second_process_on_the_same_state_is_refused(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path):
        command = build_command(free_port(0), tmp_path)
        second = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert second.returncode == 1
    assert f"The state directory {tmp_path} is in use by another" in second.stderr


def test_killing_it_with_9_leaves_no_instance_and_a_restart_serves_again(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run:
        service = cloud_run.create("killed")
        pid = ask(service.uri)["pid"]
        program = cloud_run.process.program_pid
        assert program is not None
        guards = [each.pid for each in psutil.Process(program).children()]
        assert guards
        os.kill(cloud_run.process.pid, signal.SIGSTOP)  # the outer guard must not do the work of the inner one
        os.kill(program, signal.SIGKILL)
        wait_for(lambda: not psutil.pid_exists(pid))
        os.kill(cloud_run.process.pid, signal.SIGCONT)
        wait_for(lambda: not any(psutil.pid_exists(each) for each in guards))
    with run_cloud_run(tmp_path) as cloud_run:
        assert ask(service.uri)["pid"] != pid


def test_a_roll_out_that_a_kill_cut_off_is_taken_up_again(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run:
        service = cloud_run.create("resumed", revision="resumed-one")
        service.template = build_template(env={"MODE": "hang"}, revision="resumed-two")
        operation = cloud_run.services.update_service(service=service)
        program = cloud_run.process.program_pid
        assert program is not None
        os.kill(program, signal.SIGKILL)
        cloud_run.process.wait(DEADLINE_SECONDS)
    with run_cloud_run(tmp_path) as cloud_run:
        url = f"{cloud_run.address}/v2/{operation.operation.name}"
        assert requests.get(url, timeout=DEADLINE_SECONDS).json()["done"] is False
        assert ask_revision(cloud_run.get("resumed").uri) == "resumed-one"
        cloud_run.services.delete_service(name=service.name).result(timeout=DEADLINE_SECONDS)
        ended = requests.get(url, timeout=DEADLINE_SECONDS).json()
        assert ended["error"]["message"] == "'resumed' was deleted."


def test_the_client_raises_the_parents_that_callers_catch() -> None:
    assert issubclass(FailedPrecondition, BadRequest)
    assert issubclass(Conflict, GoogleAPICallError)
