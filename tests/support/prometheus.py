"""Prometheus and Alertmanager themselves, as Debian packs them: their checks of files, and servers on loopback."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import yaml

from local_platform.processes import GuardedProcess, free_port, wait_until_ready
from tests.support.watching import find_program

START_SECONDS = 60
(DOCUMENTED,) = re.findall(
    r"```yaml\n(route:.*?)```", (Path(__file__).parents[2] / "docs" / "webhook.md").read_text(), re.DOTALL
)
"""The configuration of Alertmanager that the documentation gives."""
STARTED = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
"""When all alerts of the tests began."""
PACKAGES = {"amtool": "prometheus-alertmanager", "promtool": "prometheus"}
"""The Debian package of each tool."""


def check_files(tool: str, *arguments: str | Path) -> str:
    """What a tool says about files, as `check_files("promtool", "check", "rules", path)`. Errors: what it refuses."""
    program = find_program(tool, package=PACKAGES[tool])
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    if done.returncode:
        raise ValueError(said)
    return said


@dataclass(frozen=True)
class Alertmanager:
    """A running Alertmanager."""

    address: str

    def post_alert(self, labels: Mapping[str, str], ended: bool = False) -> None:
        """What Prometheus tells it again and again while a rule fires, and once after that."""
        alert = {
            "labels": dict(labels),
            "annotations": {"summary": "p99 is above one second"},
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
            "startsAt": STARTED.isoformat(),
            **({"endsAt": datetime.now(UTC).isoformat()} if ended else {}),
        }
        requests.post(f"{self.address}/api/v2/alerts", json=[alert], timeout=30).raise_for_status()

    def list_alerts(self) -> list[Any]:
        """The alerts that have not ended."""
        reply = requests.get(f"{self.address}/api/v2/alerts", timeout=30)
        reply.raise_for_status()
        found: list[Any] = reply.json()
        return found

    def count_failed(self) -> int:
        """How many notifications were given up."""
        return int(_read_metric(self.address, 'alertmanager_notifications_failed_total{integration="webhook"}'))


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    address: str

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """What an expression gives now: labels and a number each."""
        reply = requests.get(f"{self.address}/api/v1/query", params={"query": expression}, timeout=30)
        reply.raise_for_status()
        found = reply.json()["data"]["result"]
        return [(item["metric"], float(item["value"][1])) for item in found]


def read_documented(address: str, key_file: Path, pace: Mapping[str, str], **changes: Any) -> Any:
    """Alertmanager's configuration of the documentation, but for the address of Airflow, the file of the key, and pace.

    `changes` are of the webhook's own keys.
    """
    config = yaml.safe_load(DOCUMENTED)
    config["route"] |= pace
    (receiver,) = [item for item in config["receivers"] if item["name"] == "cyclone"]
    (webhook,) = receiver["webhook_configs"]
    webhook |= changes
    webhook["url"] = webhook["url"].replace("https://airflow.example", address)
    webhook["http_config"]["authorization"]["credentials_file"] = str(key_file)
    return config


@contextmanager
def run_alertmanager(folder: Path, config: Any) -> Iterator[Alertmanager]:
    """An Alertmanager with this configuration, alone and on loopback."""
    program = find_program("prometheus-alertmanager", "alertmanager")
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    port = free_port(0)
    command = [program, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'alertmanager'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with _run("alertmanager", command, folder, port) as address:
        yield Alertmanager(address)


@contextmanager
def run_prometheus(folder: Path, config: Path) -> Iterator[Prometheus]:
    """A Prometheus with this configuration, on loopback."""
    program = find_program("prometheus")
    port = free_port(0)
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with _run("prometheus", [*command, f"--web.listen-address=127.0.0.1:{port}"], folder, port) as address:
        yield Prometheus(address)


@contextmanager
def _run(name: str, command: list[str], folder: Path, port: int) -> Iterator[str]:
    with GuardedProcess.start(name, command, None, folder / f"{name}.log") as process:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{address}/-/ready", START_SECONDS, process)
        yield address


def _read_metric(address: str, name: str) -> float:
    lines = requests.get(f"{address}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
