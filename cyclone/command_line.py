"""The arguments that commands of several packages take, and what they open from them."""

import json
import sys
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from cyclone.wording import read_reason

ModelName = Annotated[str, typer.Argument(help="The model's name, as in models/<name>/.")]
Because = Annotated[str, typer.Option("--because", callback=read_reason, help="The reason. It is kept with who asked.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs. Its keys stay.")]


def build_console() -> Console:
    """A console whose lines are not cut at 80 characters where they go into a pipe or a file."""
    return Console(soft_wrap=not sys.stdout.isatty())


def print_json(document: Any) -> None:
    """Print a document as JSON, with times in ISO format."""
    typer.echo(json.dumps(document, indent=2, default=_write_value, ensure_ascii=False))


def _write_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def open_model(name: str) -> tuple[Settings, ModelSpec, Store]:
    """The settings, the spec of a model, and the store. Errors: `ConfigurationError` naming the models that exist."""
    settings = read_settings()
    return settings, find_model(settings.models_dir, name), Store(settings.store_dsn)
