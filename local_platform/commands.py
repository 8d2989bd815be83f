"""The `cyclone` commands of the local platform: demo, up, down, status and env."""

import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cyclone.errors import PlatformError, ReleaseError
from cyclone.settings import Settings, read_settings
from cyclone.spec import load_model_specs
from cyclone.store import Row, Store

if TYPE_CHECKING:
    from local_platform.airflow import AirflowPlace

console = Console()


def add_commands(app: typer.Typer) -> None:
    """Add the commands to `cyclone`, and let every command find the platform that runs here."""
    from local_platform.platform_record import find_running_platform
    from local_platform.replay.commands import replay, train

    find_running_platform()
    for command in (demo, up, down, status, train, replay):
        app.command()(command)
    app.command("env")(print_environment)


def demo(
    days: Annotated[int, typer.Option(min=1, help="Days to replay, from 1 February 2011. There are 333.")] = 75,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    containers: Annotated[bool, typer.Option("--containers", help="Serve from real images. Needs Docker.")] = False,
    until_release: Annotated[
        bool, typer.Option("--until-release", help="End when the first alarm has brought a version into service.")
    ] = False,
) -> None:
    """Run the whole loop on real bike-sharing demand, on this machine. It takes about ten minutes."""
    from local_platform.demo import check_demo_model, prepare_demo, run_demo

    if containers:
        os.environ["CYCLONE_CONTAINERS"] = "true"
    check_demo_model(read_settings())
    state_dir = read_settings().work_dir
    prepare_demo(state_dir)
    signal.signal(signal.SIGTERM, _interrupt)
    if not run_demo(console, state_dir, days, keep, until_release):
        raise typer.Exit(1)


def up(
    replay: Annotated[bool, typer.Option("--replay", help="Live in the past of a replay, not in the present.")] = False,
) -> None:
    """Start Postgres, Airflow, MLflow and the local Cloud Run, and leave them running.

    Example: [bold]cyclone up[/bold], then [bold]cyclone status[/bold]
    """
    from local_platform.background import start_in_background
    from local_platform.platform_record import STOP_COMMAND
    from local_platform.replay.place import enter_replay, is_of_replay, use_replay_clock

    state_dir = read_settings().work_dir
    if replay:
        record = enter_replay(console, state_dir)
    else:
        if is_of_replay(state_dir):
            use_replay_clock()
            console.print("A demo or a replay made this state, so the clock stays in its past.", style="dim")
        record = start_in_background(state_dir, lambda part, address: console.print(f"  {part:14} {address}"))
    show_webhook(record.airflow)
    console.print(f"Ready. Airflow: {record.airflow.address}  `cyclone status` shows all, `{STOP_COMMAND}` stops it.")


def down() -> None:
    """Stop what `cyclone up` started."""
    from local_platform.background import stop

    was_running = stop(read_settings().work_dir)
    console.print("Stopped." if was_running else "Nothing was running.")


def status() -> None:
    """Show what runs here, and what each model does. Fails when a part is down, or a model serves as it should not."""
    from local_platform.platform_record import START_COMMAND, PlatformRecord, read_status

    settings = read_settings()
    parts = read_status(settings.work_dir)
    if not parts:
        raise PlatformError(f"nothing runs in {settings.work_dir}. `{START_COMMAND}` starts the platform")
    table = Table("part", "is up", Column("address", overflow="fold"), "memory")
    for part in parts:
        state = "[green]yes[/green]" if part.is_up else "[red]no[/red]"
        table.add_row(part.name, state, part.address, f"{part.memory_mb:,.0f} MB")
    console.print(table)
    record, troubles = PlatformRecord.read(settings.work_dir), 0
    if record:
        show_webhook(record.airflow)
        store = Store(record.store_dsn)
        console.print(build_model_table(settings, store))
        show_holds(settings, store)
        troubles = show_unwatched(settings, store)
        if all(part.is_up for part in parts if part.name == "cloud-run"):
            show_addresses(settings)
            troubles += show_differences(settings)
    if troubles or not all(part.is_up for part in parts):
        raise typer.Exit(1)


def show_webhook(place: "AirflowPlace") -> None:
    """Print where Grafana sends alerts to."""
    from local_platform.webhooks import describe_webhook

    console.print(f"alerts go to {describe_webhook(place)}", highlight=False, soft_wrap=True, markup=False)


def print_environment() -> None:
    """Print the variables that `airflow`, `mlflow` and `bentoml` need here. Take them by `eval "$(cyclone env)"`."""
    from shlex import quote

    from local_platform.platform_record import START_COMMAND, PlatformRecord, environment

    record = PlatformRecord.read(read_settings().work_dir)
    if record is None:
        raise PlatformError(f"nothing runs in {read_settings().work_dir}. `{START_COMMAND}` starts the platform")
    for name, value in sorted(environment(record).items()):
        print(f"export {name}={quote(value)}")


def build_model_table(settings: Settings, store: Store) -> Table:
    """A row for each model: its traffic by version, its stored and labelled rows, and its last event."""
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
    """Print what a person has to look at, and what can be done about it."""
    from cyclone.policy.holds import list_holds

    for spec in load_model_specs(settings.models_dir)[0]:
        for hold in list_holds(store, spec.name):
            console.print(f"[red]held[/red] {spec.name}, since {hold.opened_at:%Y-%m-%d %H:%M}", highlight=False)
            console.print(f"  {hold.reason}\n  What to do: {hold.describe_remedy(spec.name)}", markup=False)


def describe_event(event: Row) -> str:
    """An event of a model's timeline as one line."""
    detail = f": {event['detail']}" if event["detail"] else ""
    return f"{event['at']:%Y-%m-%d %H:%M} {event['event']}{detail}"


def show_addresses(settings: Settings) -> None:
    """Print where each released model answers."""
    from releasing.cloud_run import CloudRun

    cloud = CloudRun(settings)
    for spec in load_model_specs(settings.models_dir)[0]:
        if running := cloud.read_service(spec.service_name):
            console.print(f"{spec.name} answers at {running.address}", highlight=False)


def show_unwatched(settings: Settings, store: Store) -> int:
    """The models that no DAG watches: those that serve without a usable folder, and each broken model.yaml."""
    from cyclone.record_comparison import find_unwatched

    _, errors = load_model_specs(settings.models_dir)
    found = [*map(str, errors), *map(str, find_unwatched(store, settings.models_dir))]
    for text in found:
        console.print(f"[red]not watched[/red] {escape(text)}", highlight=False, soft_wrap=True)
    return len(found)


def show_differences(settings: Settings) -> int:
    """What serves and is not what the release record says, and what can be done about it. How many models do so."""
    from cyclone.policy.holds import describe_remedy
    from releasing.comparison import find_lasting

    count = 0
    for spec in load_model_specs(settings.models_dir)[0]:
        try:
            found = list(map(str, find_lasting(settings, spec)))
        except ReleaseError as error:
            found = [f"it could not be compared: {error}"]
        for text in found:
            console.print(f"[red]not as recorded[/red] {spec.name}: {escape(text)}", highlight=False, soft_wrap=True)
        if found:
            count += 1
            console.print(f"  What to do: {describe_remedy('release', spec.name)}", markup=False, soft_wrap=True)
    return count


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
