"""The `cyclone` command `init`."""

import os
from typing import Annotated

import typer

from cyclone.settings import read_settings


def init(
    name: Annotated[str, typer.Argument(help="The new model's name: small letters, digits and underscores.")],
    place: Annotated[str, typer.Option("--from", help="A CSV or Parquet file, or the URI of a Postgres.")],
    label: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[
        str, typer.Option(help="The column with the time of each row. Without it: the one that is one.")
    ] = "",
    query: Annotated[str, typer.Option(help="The SELECT that gives the rows, where --from is a Postgres.")] = "",
) -> None:
    """Write a new model's folder from data: model.yaml with a reason for each guess, pipeline.py, the history, a test.

    Nothing is asked and nothing overwritten. What is written has passed `cyclone check`.

    Example: [bold]cyclone init rides --from rides.csv --label count --time started_at[/bold]
    """
    from training.starting.start import start_model

    started = start_model(read_settings(), name, place, label, time, query)
    here = f"{os.getcwd()}{os.sep}"
    for guess in started.guesses:
        typer.echo(guess)
    typer.echo(f"written to {str(started.folder).replace(here, '')}/: {', '.join(started.files)}")
    typer.echo(f"Read model.yaml, correct what is wrong, and run: cyclone check {name}")
