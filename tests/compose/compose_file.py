"""`docker-compose.yaml` as values, and what is wrong with such a file, in words."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from cyclone.places import REPOSITORY

FILE = REPOSITORY / "docker-compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
OURS = "cyclone:local"
PINNED = re.compile(r"[\w./-]+:\d+\.\d+[\w.-]*|[\w./-]+@sha256:[0-9a-f]{64}")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|(?<!API)_KEY|CREDENTIAL")
"""What is in the name of a variable that may hold a secret."""
BY_FILE = re.compile(r"^(cat )?(/run/cyclone|/etc/grafana/cyclone)/[\w/.-]+$")
LISTENERS = {
    "postgres": "listen_addresses=127.0.0.1",
    "mlflow": "--host=127.0.0.1",
    "api-server": "AIRFLOW__API__HOST=127.0.0.1",
    "scheduler": "--skip-serve-logs",
    "triggerer": "--skip-serve-logs",
    "grafana": "GF_SERVER_HTTP_ADDR=127.0.0.1",
    "registry": "REGISTRY_HTTP_ADDR=127.0.0.1:",
}
"""What keeps a part from listening beyond loopback. The local Cloud Run listens nowhere else."""

Service = dict[str, Any]


def read_services(text: str) -> dict[str, Service]:
    """The services, with each variable at its default."""
    services: dict[str, Service] = yaml.safe_load(fill_in(text))["services"]
    return services


def fill_in(text: str) -> str:
    """The text with each variable at its default."""
    return VARIABLE.sub(lambda found: found[2] or "", text)


def find_faults(services: dict[str, Service]) -> list[str]:
    """What is wrong with each service."""
    return [f"{name}: {fault}" for name, service in services.items() for fault in list_faults(name, service)]


def list_faults(name: str, service: Service) -> Iterator[str]:
    """What is wrong with one service."""
    yield from _list_rights(service)
    if service["image"] != OURS and not PINNED.fullmatch(service["image"]):
        yield f"image {service['image']} has no exact version"
    if not service.get("mem_limit") or not service.get("pids_limit"):
        yield "memory or processes have no limit"
    if "healthcheck" not in service and service.get("restart") != "no":
        yield "nothing says when it is ready"
    if service.get("ports") or service.get("network_mode") != "host":
        yield "it is published, or not in the network of the machine"
    listener = LISTENERS.get(name, "")
    if listener not in " ".join([*_list_words(service), *list_variables(service)]):
        yield f"{listener} is missing, so it listens beyond loopback"
    yield from _list_secrets(service)


def _list_rights(service: Service) -> Iterator[str]:
    if not re.fullmatch(r"[1-9]\d*:\d+", str(service.get("user"))):
        yield f"it runs as {service.get('user', 'root')}"
    if not service.get("read_only"):
        yield "its root can be written to"
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
        yield "it has capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "it may get new privileges"
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        if not source[0].isalpha() and not volume.endswith(":ro"):
            yield f"it may write to {source} of the machine"


def _list_secrets(service: Service) -> Iterator[str]:
    for variable in list_variables(service):
        variable_name, _, value = variable.partition("=")
        if SECRET.search(variable_name) and not BY_FILE.match(value):
            yield f"{variable_name} holds a secret"
    for word in [*_list_words(service), *list_variables(service)]:
        if re.search(r"://[^/@\s]*:[^/@\s]+@", word):
            yield "an address holds a password"


def list_variables(service: Service) -> list[str]:
    """The variables of a service, each as NAME=VALUE."""
    return [f"{name}={value}" for name, value in service.get("environment", {}).items()]


def _list_words(service: Service) -> list[str]:
    command = service.get("command", [])
    return command.split() if isinstance(command, str) else list(command)
