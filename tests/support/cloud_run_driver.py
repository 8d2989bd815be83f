"""What tests of the Cloud Run stand-in share: one to start, Google's clients for it, and requests to its services."""

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

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2

from local_platform.processes import GuardedProcess, free_port, wait_until_ready

REPOSITORY = Path(__file__).parents[2]
IMAGE = str(Path(__file__).with_name("cloud_run_image.py"))
PARENT = "projects/local/locations/local"
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
        """A new revision behind the tag `candidate`. The traffic stays where it is."""
        live = service.latest_ready_revision.rpartition("/")[2]
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
    """Requests without a pause from several clients. Counts who answered, or what went wrong."""
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
