"""The `cyclone` commands of the local platform: demo, up, down, status and env."""

import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from cyclone.command_line import AsJson, build_console, print_json
from cyclone.errors import PlatformError
from cyclone.settings import read_settings
from cyclone.spec import find_model

if TYPE_CHECKING:
    from local_platform.airflow import AirflowPlace

console = build_console()


def add_commands(app: typer.Typer) -> None:
    """Add the commands to `cyclone`, and let every command find the platform that runs here."""
    from local_platform.platform_record import find_running_platform
    from local_platform.replay.commands import replay, train

    find_running_platform()
    for command in (demo, up, down, status, train, replay):
        app.command()(command)
    app.command("env")(print_environment)
    app.command("open")(open_pages)


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


def status(
    model: Annotated[str, typer.Argument(help="Only this model, in detail.")] = "", as_json: AsJson = False
) -> None:
    """Show what runs here, and what each model does. With a model: is it fine, and should it be retrained?

    It exits with 1 when a part is down, a model serves as it should not, or a person must look.

    Example: [bold]cyclone status bike_demand[/bold]
    """
    from local_platform.status.fleet import read_fleet, show_fleet
    from local_platform.status.model import read_model_status, show_model_status

    settings = read_settings()
    if model:
        found = read_model_status(settings, find_model(settings.models_dir, model))
        is_fine = found["state"] not in ("held", "unwatched")
    else:
        found = read_fleet(settings)
        is_fine = found["is_fine"]
    if as_json:
        print_json(found)
    else:
        show = show_model_status if model else show_fleet
        show(console, found)
    if not is_fine:
        raise typer.Exit(1)


def open_pages(
    model: Annotated[str, typer.Argument(help="Also the pages of this model.")] = "", as_json: AsJson = False
) -> None:
    """Print the addresses that matter: Airflow, MLflow, Cloud Run, and those of a model's service, DAGs and versions.

    Example: [bold]cyclone open bike_demand[/bold]
    """
    from local_platform.status.pages import list_model_pages, list_platform_pages

    settings = read_settings()
    pages = list_platform_pages(settings)
    if model:
        pages |= list_model_pages(settings, find_model(settings.models_dir, model))
    if as_json:
        print_json(pages)
        return
    for name, address in pages.items():
        console.print(f"{name:10} {address}", soft_wrap=True, highlight=False, markup=False)


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


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
