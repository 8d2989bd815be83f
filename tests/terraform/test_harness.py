"""The harness finds what it is there for: Terraform refuses planted faults, by the schema of Google's provider."""

import pytest

from tests.terraform.harness.google_schema import Bindings
from tests.terraform.harness.tool import Terraform, find_bindings

pytestmark = pytest.mark.terraform

NETWORK = "modules/network"
MAIN = f"{NETWORK}/main.tf"
FAULTS = {
    "an unknown argument": ("auto_create_subnetworks", "auto_create_subnets", "Unsupported argument"),
    "a required argument that is missing": (
        "  network                  = google_compute_network.this.id\n",
        "",
        'The argument "network" is required',
    ),
    "an unknown block": ("  allow {", "  permit {", "Unsupported block type"),
    "a block too many": (
        "  log_config {\n    enable = true",
        '  log_config {\n    enable = true\n    filter = "ALL"\n  }\n\n  log_config {\n    enable = true',
        "Too many log_config blocks",
    ),
    "a value of a wrong type": ("prefix_length = 20 ", 'prefix_length = "wide" ', "a number is required"),
    "an attribute that Google computes": (
        '  direction     = "INGRESS"',
        '  direction     = "INGRESS"\n  self_link     = "x"',
        "Google decides google_compute_firewall.self_link",
    ),
    "an output of a resource that has none": (
        "google_compute_subnetwork.this.id\n}",
        "google_compute_subnetwork.this.identifier\n}",
        "Unsupported attribute",
    ),
}


@pytest.mark.parametrize(("old", "new", "told"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_refused(changed: Terraform, old: str, new: str, told: str) -> None:
    path = MAIN if old in (changed.folder / MAIN).read_text() else f"{NETWORK}/outputs.tf"
    changed.edit(path, old, new)
    answer = changed.run(NETWORK, "validate", "-no-color")
    assert answer.code == 1
    assert told in answer.text


def test_a_resource_that_the_provider_does_not_have_is_named(changed: Terraform) -> None:
    (changed.folder / NETWORK / "more.tf").write_text('resource "google_compute_networks" "more" {}\n')
    with pytest.raises(KeyError, match="resource google_compute_networks"):
        changed.run(NETWORK, "validate", "-no-color")


def test_the_schema_says_what_the_documentation_says() -> None:
    """Compared by hand with the provider's pages: one argument of each kind."""
    schema = Bindings(find_bindings()).read(["google_secret_manager_secret_version", "google_cloud_run_v2_service"], [])
    version = schema["resource google_secret_manager_secret_version"]["attributes"]
    assert version["secret"] == {
        "type": "string", "computed": False, "optional": False, "required": True, "write_only": False
    }  # fmt: skip
    assert version["secret_data_wo"]["write_only"]
    assert version["version"] == {
        "type": "string", "computed": True, "optional": False, "required": False, "write_only": False
    }  # fmt: skip
    service = schema["resource google_cloud_run_v2_service"]
    template = service["blocks"]["template"]
    assert [template[key] for key in ("nesting", "min_items", "max_items")] == ["list", 1, 1]
    containers = template["blocks"]["containers"]
    assert [containers[key] for key in ("nesting", "min_items", "max_items")] == ["list", 0, 0]
    assert containers["blocks"]["env"]["nesting"] == "set"
    assert containers["blocks"]["resources"]["attributes"]["limits"]["type"] == ["map", "string"]
    assert service["attributes"]["traffic_statuses"]["type"][1][1]["percent"] == "number"
