"""The `cyclone` commands `train` and `replay`, which bring a model into service and play its history."""

import time
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from cyclone.command_line import ModelName
from cyclone.errors import ConfigurationError, PlatformError
from cyclone.releases import current_release
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from cyclone.wording import count_of
from local_platform.airflow_client import AirflowClient
from local_platform.first_release import Step, release_first_version
from local_platform.replay.events import format_error
from local_platform.replay.history import cut_rows, find_position, list_unlabelled, read_rows
from local_platform.replay.place import enter_replay, find_platform, find_service_address
from local_platform.replay.run import ReplayRun
from local_platform.replay.traffic import Replay
from training.data.history import parse_time

console = Console()


def train(model: ModelName) -> None:
    """Train the first version of a model and release it, and follow the steps. The platform has to run.

    Example: [bold]cyclone up[/bold], then [bold]cyclone train bike_demand[/bold]
    """
    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    record = find_platform(settings.work_dir)
    if not train_first(settings, spec, AirflowClient(record.airflow.address)):
        console.print(
            f"The monitor asks for the next version when the error has risen. `cyclone retrain {spec.name}` asks now.",
            highlight=False,
        )


def train_first(settings: Settings, spec: ModelSpec, airflow: AirflowClient) -> bool:
    """Train and release the first version, and print each step. False when a version serves already."""
    serving = current_release(Store(settings.store_dsn), spec.name)
    if serving is not None:
        console.print(f"version {serving.version} of {spec.name} serves already", highlight=False)
        return False
    began = time.monotonic()
    with console.status(f"Airflow trains and releases the first version of {spec.name}"):
        release_first_version(settings, spec, airflow, _show_step)
    address = find_service_address(settings, spec)
    took = time.monotonic() - began
    console.print(f"{took:6.1f} s  the first version of {spec.name} serves at {address}", highlight=False)
    return True


def _show_step(step: Step) -> None:
    mark = "" if step.state == "success" else f"  [red]{step.state}[/red]"
    console.print(f"{step.seconds:6.1f} s  {step.name}{mark}", highlight=False)


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
        typer.Option(min=0, help="The hours after which a label follows. Without it: label.expected_delay_hours."),
    ] = None,
) -> None:
    """Replay a model's own history as live requests with late labels, and watch the whole loop at work.

    Each row of the history file from history_until on is sent at its own time, the monitor runs at the end of each day,
    and a retraining starts when the error has risen. Ctrl-C stops it, and the same command goes on. Where no platform
    runs, one is started whose clock is that of the replay, and the first version is trained.

    Example: [bold]cyclone replay bike_demand --to 2011-04-01[/bold]
    """
    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    known = read_rows(settings, spec)
    rows = cut_rows(spec, known, _parse_day("--from", since), _parse_day("--to", until))
    record = enter_replay(console, settings.work_dir)
    settings, airflow = read_settings(), AirflowClient(record.airflow.address)
    train_first(settings, spec, airflow)
    traffic = Replay(spec, find_service_address(settings, spec), None if delay is None else timedelta(hours=delay))
    run = ReplayRun(console, settings, spec, airflow, traffic, rows, speed)
    position = find_position(run.store, spec.name)
    if position is not None:
        if position >= rows[-1].created_at:
            console.print(f"Replayed already, up to {position:%Y-%m-%d %H:%M}. `cyclone status {spec.name}` says how")
            return
        console.print(f"Replayed so far, up to {position:%Y-%m-%d %H:%M}. It goes on.", style="dim", highlight=False)
        wait = (spec.label.delay if traffic.delay is None else traffic.delay) + spec.label.load
        run.go_on(position, list_unlabelled(known, position, wait))
    _run(run)


def _run(run: ReplayRun) -> None:
    """Replay, and say what came of it, or how it goes on after Ctrl-C."""
    name, rows = run.spec.name, run.rows
    console.rule(f"{name}: {rows[0].created_at:%Y-%m-%d} to {rows[-1].created_at:%Y-%m-%d} as live requests")
    try:
        run.run()
    except KeyboardInterrupt:
        console.print(f"Stopped. `cyclone replay {name}` goes on from here, `cyclone status {name}` shows how it is.")
        raise typer.Exit(130) from None
    error, seconds = format_error(run.replay.recent_error()).strip(), run.seconds_to_full_traffic
    console.print(
        f"{run.replay.request_count:,} requests, {len(run.replay.failures)} failed."
        f" {len(run.replay.answers):,} rows answered. {count_of(len(seconds), 'new version')} released by an alarm."
        f" Error over the last 7 days: {error}.\n"
        f"`cyclone status {name}` says how it is, `cyclone open {name}` where to look.",
        highlight=False,
    )
    if run.is_retraining():
        console.print("A retraining is under way. Its canary waits for requests, and the history has no more.")
    if run.replay.failures:
        raise PlatformError(f"{len(run.replay.failures)} requests failed, the first: {run.replay.failures[0]}")


def _parse_day(name: str, text: str) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise ConfigurationError(f"{name} {text!r}: this is no ISO date. Write it as 2011-02-01") from error
