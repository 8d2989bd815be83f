"""The arguments that commands of several packages take, and what they open from them."""

from typing import Annotated

import typer

from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store

ModelName = Annotated[str, typer.Argument(help="The model's name, as in models/<name>/.")]
Because = Annotated[str, typer.Option("--because", help="The reason. It is kept with who asked.")]


def open_model(name: str) -> tuple[Settings, ModelSpec, Store]:
    """The settings, the spec of a model, and the store. Errors: `ConfigurationError` naming the models that exist."""
    settings = read_settings()
    return settings, find_model(settings.models_dir, name), Store(settings.store_dsn)
