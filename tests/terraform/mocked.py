"""What an example makes, as Terraform's mocked apply tells it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.terraform.harness.tool import Answer

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Grant:
    """One role of one member on one thing: a project, a service, a repository, a bucket, an account or a secret."""

    member: str
    role: str
    on: str


@dataclass(frozen=True)
class Made:
    """The resources of an apply, and its outputs."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]

    @classmethod
    def read(cls, answer: Answer) -> "Made":
        """What the last run of `terraform test -json -verbose` has made."""
        states = [line["test_state"] for line in answer.read_lines() if line["type"] == "test_state"]
        return cls(tuple(walk(states[-1]["root_module"])), states[-1]["outputs"])

    def find(self, kind: str) -> list[Resource]:
        """The values of all resources of a type."""
        return [item["values"] for item in self.resources if item["type"] == kind]

    def list_grants(self) -> set[Grant]:
        """Every role that is given. What it is given on is named as the configuration names it."""
        names = {
            secret["id"]: f"secret {secret['secret_id'].partition('-')[2]}"
            for secret in self.find("google_secret_manager_secret")
        }
        names |= {item["name"]: item["repository_id"] for item in self.find("google_artifact_registry_repository")}
        grants = set()
        for item in self.resources:
            if match := re.fullmatch(r"google_(.*)_iam_member", item["type"]):
                values = item["values"]
                kind, key = THINGS[match[1]]
                on = names.get(values[key], values[key]) if key else kind
                grants.add(Grant(shorten(values["member"]), values["role"], on))
        return grants


THINGS = {
    "project": ("project", None),
    "cloud_run_v2_service": ("service", "name"),
    "artifact_registry_repository": ("repository", "repository"),
    "storage_bucket": ("bucket", "bucket"),
    "service_account": ("account", "service_account_id"),
    "secret_manager_secret": ("secret", "secret_id"),
}


def walk(module: Mapping[str, Any]) -> Iterator[Resource]:
    """All resources of a module and of those within it."""
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from walk(child)


def shorten(member: str) -> str:
    """A component's name for its account, and others as they are."""
    return re.sub(r"serviceAccount:(\w+)@project-id\.iam\.gserviceaccount\.com", r"\1", member)


def list_variables(value: Any) -> Iterator[tuple[str, Any, list[Any]]]:
    """Every environment variable of a container: its name, its value and where the value comes from."""
    if isinstance(value, Mapping):
        if {"name", "value", "value_source"} <= value.keys():
            yield value["name"], value["value"], value["value_source"] or []
        for item in value.values():
            yield from list_variables(item)
    elif isinstance(value, list):
        for item in value:
            yield from list_variables(item)
