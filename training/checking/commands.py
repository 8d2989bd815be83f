"""The `cyclone` command `check`."""

import json
import os

import typer

from cyclone.command_line import ModelName
from cyclone.settings import read_settings
from cyclone.wording import count_of


def check(model: ModelName) -> None:
    """Check a model before it is trained: model.yaml, every row of its history, pipeline.py and one served answer.

    Each fault is one line on standard error, and the command exits with 1 then. Nothing is changed.
    """
    from training.checking.check import check_model

    settings = read_settings()
    checked = check_model(settings, model)
    here = f"{os.getcwd()}{os.sep}"
    for note in checked.notes:
        typer.echo(f"note: {note.replace(here, '')}")
    for fault in checked.faults:
        typer.echo(fault.replace(here, ""), err=True)
    if checked.faults:
        typer.echo(f"{model}: {count_of(len(checked.faults), 'fault')}. Correct it, and check again", err=True)
        raise typer.Exit(1)
    answer = json.dumps(checked.answer)
    typer.echo(f"{model}: {checked.rows:,} rows of history fit model.yaml. pipeline.py was fitted, and served {answer}")
