"""What the commands `train` and `replay` do: they bring a model into service, and play its history."""

import time
from datetime import datetime, timedelta

import typer
from rich.console import Console

from cyclone.errors import ConfigurationError, PlatformError
from cyclone.releases import current_release
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.wording import count_of
from local_platform.airflow_client import AirflowClient
from local_platform.first_release import Step, release_first_version
from local_platform.replay.events import format_error
from local_platform.replay.history import cut_rows, describe_slow_canary, find_position, list_unlabelled, read_rows
from local_platform.replay.place import enter_replay, find_platform, find_service_address
from local_platform.replay.run import ReplayRun
from local_platform.replay.traffic import HistoryRow, Replay
from training.checking.check import check_model
from training.data.history import parse_time


def train_model(console: Console, settings: Settings, spec: ModelSpec) -> None:
    """Train and release the first version on the platform that runs. Errors: `PlatformError` when none does."""
    record = find_platform(settings.work_dir)
    if not train_first(console, settings, spec, AirflowClient(record.airflow.address)):
        console.print(
            "The monitor asks for the next version when a retraining is worth its price, or the error has jumped."
            f" `cyclone retrain {spec.name}` asks now.",
            highlight=False,
        )


def train_first(console: Console, settings: Settings, spec: ModelSpec, airflow: AirflowClient) -> bool:
    """Check the model, train and release its first version, and print each step. False when a version serves already.

    Errors: `ConfigurationError` with the faults that the check found, and `PlatformError` with the step that failed.
    """
    serving = current_release(Store(settings.store_dsn), spec.name)
    if serving is not None:
        console.print(f"version {serving.version} of {spec.name} serves already", highlight=False)
        return False
    if faults := check_model(settings, spec.name).faults:
        raise ConfigurationError("\n".join(faults))

    def show_step(step: Step) -> None:
        mark = "" if step.state == "success" else f"  [red]{step.state}[/red]"
        console.print(f"{step.seconds:6.1f} s  {step.name}{mark}", highlight=False)

    began = time.monotonic()
    with console.status(f"Airflow trains and releases the first version of {spec.name}"):
        release_first_version(settings, spec, airflow, show_step)
    address = find_service_address(settings, spec)
    took = time.monotonic() - began
    console.print(f"{took:6.1f} s  the first version of {spec.name} serves at {address}", highlight=False)
    return True


def replay_model(
    console: Console,
    settings: Settings,
    spec: ModelSpec,
    span: tuple[datetime | None, datetime | None],
    speed: float | None,
    delay: timedelta | None,
) -> None:
    """Replay the rows of a span, on a platform that is started if need be, from where an earlier replay stopped."""
    known = read_rows(settings, spec)
    rows = cut_rows(spec, known, *span)
    record = enter_replay(console, settings.work_dir)
    settings, airflow = read_settings(), AirflowClient(record.airflow.address)
    train_first(console, settings, spec, airflow)
    traffic = Replay(spec, find_service_address(settings, spec), delay)
    go_on_or_begin(ReplayRun(console, settings, spec, airflow, traffic, rows, speed), known)


def go_on_or_begin(run: ReplayRun, known: list[HistoryRow]) -> None:
    """Play the rows of a run from where an earlier replay stopped. `known` is the whole history."""
    console, spec, rows = run.console, run.spec, run.rows
    position = find_position(run.store, spec.name)
    if position is not None:
        if position >= rows[-1].created_at:
            console.print(f"Replayed already, up to {position:%Y-%m-%d %H:%M}. `cyclone status {spec.name}` says how")
            return
        console.print(f"Replayed so far, up to {position:%Y-%m-%d %H:%M}. It goes on.", style="dim", highlight=False)
        run.go_on(position, list_unlabelled(known, position, run.replay.label_delay + spec.label.load))
    play(run)


def play(run: ReplayRun) -> None:
    """Replay, and say what came of it, or how it goes on after Ctrl-C."""
    console, name, rows, traffic = run.console, run.spec.name, run.rows, run.replay
    console.rule(f"{name}: {rows[0].created_at:%Y-%m-%d} to {rows[-1].created_at:%Y-%m-%d} as live requests")
    if warning := describe_slow_canary(run.spec, rows):
        console.print(f"[yellow]{warning}[/yellow]", highlight=False)
    try:
        run.run()
    except KeyboardInterrupt:
        console.print(f"Stopped. `cyclone replay {name}` goes on from here, `cyclone status {name}` shows how it is.")
        raise typer.Exit(130) from None
    released = count_of(len(run.seconds_to_full_traffic), "new version")
    error = format_error(traffic.recent_error()).strip()
    console.print(
        f"{traffic.request_count:,} requests, {len(traffic.failures)} failed. {len(traffic.answers):,} rows answered."
        f" {released} released by an alarm. Error over the last 7 days: {error}.\n"
        f"`cyclone status {name}` says how it is, `cyclone open {name}` where to look.",
        highlight=False,
    )
    if run.is_retraining():
        console.print("A retraining is under way. Its canary waits for requests, and the history has no more.")
    if traffic.failures:
        raise PlatformError(f"{len(traffic.failures)} requests failed, the first: {traffic.failures[0]}")


def parse_day(name: str, text: str) -> datetime | None:
    """The time that an option names, or None where it is empty. Errors: `ConfigurationError` naming the option."""
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise ConfigurationError(f"{name} {text!r}: this is no ISO date. Write it as 2011-02-01") from error
