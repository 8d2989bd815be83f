"""A Terraform provider that knows the Google provider's schema and nothing else. Terraform starts it as a program.

It is enough for `terraform validate`, and for `terraform test` with a mocked provider, which asks a provider only for
its schema. Whatever would reach Google fails here.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import tf.provider
from tf.gen import tfplugin_pb2 as protocol
from tf.runner import run_provider
from tf.utils import read_dynamic_value

SCHEMA_VARIABLE = "GOOGLE_SCHEMA_FILE"
NESTING = protocol.Schema.NestedBlock.NestingMode
# `write_only` is field 11 of an attribute in Terraform's protocol 6.8. The package knows an older one, so the bytes are
# given: the field's number, that it is a small number, and 1 for true.
WRITE_ONLY = bytes([11 << 3, 1])


def build_block(block: dict[str, Any]) -> protocol.Schema.Block:
    """A block in the words of the protocol."""
    built = protocol.Schema.Block()
    for name, attribute in block["attributes"].items():
        flags = {flag: attribute[flag] for flag in ("required", "optional", "computed")}
        item = built.attributes.add(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
        if attribute["write_only"]:
            item.MergeFromString(WRITE_ONLY)
    for name, inner in block["blocks"].items():
        built.block_types.add(
            type_name=name,
            block=build_block(inner),
            nesting=NESTING.Value(inner["nesting"].upper()),
            min_items=inner["min_items"],
            max_items=inner["max_items"],
        )
    return built


def find_computed(block: dict[str, Any], config: dict[str, Any], place: str) -> Iterator[str]:
    """The attributes that a configuration sets although Google decides them. Terraform leaves this to the provider."""
    for name, attribute in block["attributes"].items():
        is_open = attribute["optional"] or attribute["required"]
        if not is_open and config.get(name) is not None:
            yield f"{place}.{name}"
    for name, inner in block["blocks"].items():
        given = config.get(name) or []
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, dict):
                yield from find_computed(inner, item, f"{place}.{name}")


def read_schema() -> dict[str, Any]:
    """The schema that the tests have written."""
    with open(os.environ[SCHEMA_VARIABLE]) as file:
        schema: dict[str, Any] = json.load(file)
    return schema


class SchemaOnly(tf.provider.ProviderServicer):  # type: ignore[misc]
    """The answers to the calls of a validation."""

    def GetProviderSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        schema = {key: protocol.Schema(version=0, block=build_block(block)) for key, block in read_schema().items()}
        named = [(*key.split(), item) for key, item in schema.items() if " " in key]
        return protocol.GetProviderSchema.Response(
            provider=schema["provider"],
            resource_schemas={name: item for kind, name, item in named if kind == "resource"},
            data_source_schemas={name: item for kind, name, item in named if kind == "data"},
        )

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return protocol.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        config, block = read_dynamic_value(request.config), read_schema()[f"resource {request.type_name}"]
        found = [
            protocol.Diagnostic(severity=protocol.Diagnostic.ERROR, summary=f"Google decides {place}")
            for place in find_computed(block, config, request.type_name)
        ]
        return protocol.ValidateResourceConfig.Response(diagnostics=found)

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return protocol.ValidateDataResourceConfig.Response()


class GoogleSchema:
    """What the package asks of a provider before it serves one."""

    def full_name(self) -> str:
        return "registry.terraform.io/hashicorp/google"


if __name__ == "__main__":
    tf.provider.ProviderServicer = SchemaOnly
    run_provider(GoogleSchema())
