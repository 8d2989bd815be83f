"""The `cyclone` commands of training."""

from dataclasses import asdict
from typing import Annotated

import typer

from cyclone.command_line import AsJson, ModelName, print_json
from cyclone.settings import read_settings
from training.backtest.commands import backtest
from training.checking.commands import check
from training.starting.commands import init


def add_commands(app: typer.Typer) -> None:
    """Add the commands of training to the `cyclone` command, which calls this at its start."""
    app.command("backtest")(backtest)
    app.command("check")(check)
    app.command("init")(init)
    app.command("reproduce")(show_reproduction)


def show_reproduction(
    model: ModelName,
    version: Annotated[int, typer.Option(min=1, help="The registered version to make again.")],
    as_json: AsJson = False,
) -> None:
    """Train a version again on the same data and compare. It fails unless both are the same, bit for bit."""
    from training.reproduction import reproduce

    made = reproduce(read_settings(), model, version)
    if as_json:
        print_json({"model": model, **asdict(made), "is_same": not made.differing})
        raise typer.Exit(1 if made.differing else 0)
    lines = {
        "MLflow run": made.mlflow_run_id,
        "fingerprint": made.fingerprint,
        "data": f"{made.rows:,} rows from {made.frame}",
        "predictions": f"the largest difference on these rows is {made.largest_difference:g}",
        "metrics": "{} of {} are identical".format(*made.metrics),
        "model file": "{} of {} arrays are identical".format(*made.arrays),
        **{name: f"{now} is here, {then} was there then" for name, (then, now) in made.packages.items()},
    }
    typer.echo(f"version {made.version} of {model}, trained again")
    for name, text in lines.items():
        typer.echo(f"  {name:<14}{text}")
    if made.differing:
        typer.echo(f"NOT the same: {', '.join(made.differing)}")
        raise typer.Exit(1)
    typer.echo("the same, bit for bit: predictions, metrics and the arrays of the model file")
