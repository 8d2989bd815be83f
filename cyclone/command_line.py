"""What commands of several packages take and open."""

from typing import Annotated

import typer

from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store

ModelName = Annotated[str, typer.Argument(help="The model's name, as in models/<name>/.")]
Because = Annotated[str, typer.Option("--because", help="Why: it is kept with who asked.")]


def open_model(name: str) -> tuple[Settings, ModelSpec, Store]:
    """The settings, a model's spec and the store. Errors: `ConfigurationError` naming the models there are."""
    settings = read_settings()
    return settings, find_model(settings.models_dir, name), Store(settings.store_dsn)
