"""The `cyclone` commands `train` and `replay`, which bring a model into service and play its history."""

from datetime import timedelta
from typing import Annotated

import typer

from cyclone.command_line import ModelName, build_console
from cyclone.settings import read_settings
from cyclone.spec import find_model

console = build_console()
MOST_DELAY_HOURS = 366 * 24
"""The longest delay of labels, which is also the longest that a model.yaml may expect."""


def train(model: ModelName) -> None:
    """Train the first version of a model and release it, and follow the steps. The platform has to run.

    Example: [bold]cyclone up[/bold], then [bold]cyclone train bike_demand[/bold]
    """
    from local_platform.replay.session import train_model

    settings = read_settings()
    train_model(console, settings, find_model(settings.models_dir, model))


def replay(
    model: ModelName,
    since: Annotated[
        str, typer.Option("--from", help="The first day (ISO, UTC). Without it: history_until, or where it stopped.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="The day (ISO, UTC) before which it ends.")] = "",
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="The most replayed hours a second. Without it: as fast as rows are answered, 1 while a version is"
            " trained, 6 in its canary.",
        ),
    ] = None,
    delay: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=MOST_DELAY_HOURS,
            help="The hours after which a label follows. Without it: label.expected_delay_hours.",
        ),
    ] = None,
) -> None:
    """Replay a model's own history as live requests with late labels, and watch the whole loop at work.

    Each row of the history from history_until on is sent at its own time.
    The monitor runs at the end of each day, and retrains when that is worth its price or the error has jumped.
    Ctrl-C stops it, and the same command goes on where it stopped.
    Where no platform runs, one is started, and the first version is trained.

    Example: [bold]cyclone replay bike_demand --to 2011-04-01[/bold]
    """
    from local_platform.replay.session import parse_day, replay_model

    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    span = parse_day("--from", since), parse_day("--to", until)
    replay_model(console, settings, spec, span, speed, None if delay is None else timedelta(hours=delay))
