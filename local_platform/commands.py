"""The `cyclone` commands of the local platform: demo, up, down, status."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cyclone.errors import PlatformError
from cyclone.image_contract import CLOCK_VARIABLE
from cyclone.settings import Settings, read_settings
from cyclone.spec import load_model_specs
from cyclone.store import Row, Store

DEMO_MARK = "demo"
"""A file in the state directory: what is there was made by a demo, and the next demo may remove it."""
console = Console()


def add_commands(app: typer.Typer) -> None:
    """Called by the `cyclone` command at its start: every command then finds the platform that runs here."""
    find_running_platform()
    for command in (demo, up, down, status):
        app.command()(command)
    app.command("env")(print_environment)


def find_running_platform() -> None:
    """Take the addresses of the local platform, if it runs, for all that the environment leaves open."""
    from local_platform.platform_record import PlatformRecord, environment

    record = PlatformRecord.read(read_settings().work_dir)
    if record and record.ready_at and record.owner.find():
        for name, value in environment(record).items():
            os.environ.setdefault(name, value)


def demo(
    days: Annotated[int, typer.Option(min=1, help="Days of 2011 to replay, from 1 February; 333 are there.")] = 75,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    containers: Annotated[bool, typer.Option("--containers", help="On real images: needs Docker.")] = False,
    until_release: Annotated[
        bool, typer.Option("--until-release", help="End with the first version that an alarm brought into service.")
    ] = False,
) -> None:
    """Run the whole loop on real bike-sharing demand, on this machine: about ten minutes."""
    from local_platform.demo import check_demo_model, run_demo

    if containers:
        os.environ["CYCLONE_CONTAINERS"] = "true"
    check_demo_model(read_settings())
    state_dir = read_settings().work_dir
    prepare_demo(state_dir)
    signal.signal(signal.SIGTERM, _interrupt)
    if not run_demo(console, state_dir, days, keep, until_release):
        raise typer.Exit(1)


def up() -> None:
    """Start Postgres, Airflow, MLflow and the local Cloud Run, and leave them running."""
    from local_platform.background import start_in_background
    from local_platform.platform_record import STOP_COMMAND

    state_dir = read_settings().work_dir
    if (state_dir / DEMO_MARK).exists():
        use_replay_clock()
        console.print("The state is a demo's: the clock stays in its past.", style="dim")
    record = start_in_background(state_dir, lambda part, address: console.print(f"  {part:14} {address}"))
    console.print(f"Ready. Airflow: {record.airflow.address}  `cyclone status` shows all, `{STOP_COMMAND}` stops it.")


def down() -> None:
    """Stop what `cyclone up` started."""
    from local_platform.background import stop

    was_running = stop(read_settings().work_dir)
    console.print("Stopped." if was_running else "Nothing was running.")


def status() -> None:
    """Show what runs here, and what each model does. Fails when a part is down."""
    from local_platform.platform_record import START_COMMAND, PlatformRecord, read_status

    settings = read_settings()
    parts = read_status(settings.work_dir)
    if not parts:
        raise PlatformError(f"nothing runs in {settings.work_dir}; `{START_COMMAND}` starts the platform")
    table = Table("part", "is up", Column("address", overflow="fold"), "memory")
    for part in parts:
        state = "[green]yes[/green]" if part.is_up else "[red]no[/red]"
        table.add_row(part.name, state, part.address, f"{part.memory_mb:,.0f} MB")
    console.print(table)
    record = PlatformRecord.read(settings.work_dir)
    if record:
        console.print(build_model_table(settings, Store(record.store_dsn)))
        show_holds(settings, Store(record.store_dsn))
        if all(part.is_up for part in parts if part.name == "cloud-run"):
            show_addresses(settings)
    if not all(part.is_up for part in parts):
        raise typer.Exit(1)


def print_environment() -> None:
    """Print what the `airflow`, `mlflow` and `bentoml` commands need here: eval "$(cyclone env)"."""
    from shlex import quote

    from local_platform.platform_record import START_COMMAND, PlatformRecord, environment

    record = PlatformRecord.read(read_settings().work_dir)
    if record is None:
        raise PlatformError(f"nothing runs in {read_settings().work_dir}; `{START_COMMAND}` starts the platform")
    for name, value in sorted(environment(record).items()):
        print(f"export {name}={quote(value)}")


def build_model_table(settings: Settings, store: Store) -> Table:
    table = Table("model", "traffic", "rows stored", "labelled", "last event")
    for spec in load_model_specs(settings.models_dir)[0]:
        shares = store.fetch("release/traffic", model=spec.name)
        counts = store.fetch_one("log/count", model=spec.name) or {}
        events = store.fetch("lineage/timeline", model=spec.name)
        table.add_row(
            spec.name,
            ", ".join(f"v{share['version']} {share['traffic_percent']} %" for share in shares) or "not released",
            f"{counts.get('stored', 0):,}",
            f"{counts.get('labelled', 0):,}",
            escape(describe_event(events[-1])) if events else "",
        )
    return table


def show_holds(settings: Settings, store: Store) -> None:
    """What a person has to look at, and what can be done about it."""
    from cyclone.policy.holds import list_holds

    for spec in load_model_specs(settings.models_dir)[0]:
        for hold in list_holds(store, spec.name):
            console.print(f"[red]held[/red] {spec.name}, since {hold.opened_at:%Y-%m-%d %H:%M}", highlight=False)
            console.print(f"  {hold.reason}\n  What to do: {hold.describe_remedy(spec.name)}", markup=False)


def describe_event(event: Row) -> str:
    detail = f": {event['detail']}" if event["detail"] else ""
    return f"{event['at']:%Y-%m-%d %H:%M} {event['event']}{detail}"


def show_addresses(settings: Settings) -> None:
    """Where each model that is released answers."""
    from releasing.cloud_run import CloudRun

    cloud = CloudRun(settings)
    for spec in load_model_specs(settings.models_dir)[0]:
        if running := cloud.read_service(spec.service_name):
            console.print(f"{spec.name} answers at {running.address}", highlight=False)


def prepare_demo(state_dir: Path) -> None:
    """Make room for a demo: remove what an earlier one left, never anything else.

    Errors: `PlatformError` when the platform runs, or when the folder holds what no demo made.
    """
    import shutil

    from local_platform.leftovers import sweep_data
    from local_platform.platform import STOP_SECONDS, lock_state
    from local_platform.platform_record import PlatformRecord
    from local_platform.postgres import PostgresHome

    mark = state_dir / DEMO_MARK
    if os.access(state_dir, os.R_OK) and any(state_dir.iterdir()) and not mark.exists():
        raise PlatformError(
            f"{state_dir} holds a platform that no demo made, and a demo starts from nothing:"
            " name another folder with CYCLONE_WORK_DIR, or remove it"
        )
    lock = lock_state(state_dir)
    killed = PlatformRecord.read(state_dir)
    if killed:
        killed.wait_until_ended(STOP_SECONDS)
    for path in [*state_dir.iterdir(), PostgresHome.choose(state_dir).data_dir]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (DEMO_MARK, "platform.json", "platform.lock"):
            path.unlink(missing_ok=True)
    sweep_data()
    mark.touch()
    lock.close()
    use_replay_clock()


def use_replay_clock() -> None:
    """For this process and all that it starts: the present is the newest logged event, a monitor run is a day."""
    os.environ[CLOCK_VARIABLE] = "replay"
    os.environ["CYCLONE_MONITOR_SCHEDULE"] = "0 0 * * *"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
