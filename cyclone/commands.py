"""The commands of `cyclone` that need only this package."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cyclone.checks.rollups import rebuild
from cyclone.clock import read_now
from cyclone.command_line import AsJson, Because, ModelName, open_model, print_json
from cyclone.errors import ConfigurationError, HoldError
from cyclone.grafana.access import ROLE, connect_grafana
from cyclone.image_contract import API_KEYS_FILE_VARIABLE
from cyclone.installation.outputs import find_settings, read_outputs, write_settings
from cyclone.installation.secret_manager import read_secret
from cyclone.keys import SCOPES, SERVICE_SCOPES, add_key, read_keys, revoke_key
from cyclone.lineage.explain import explain
from cyclone.lineage.report import format_lineage
from cyclone.log_status import ENDS_OUTSIDE, build_revision_table, build_window_table
from cyclone.policy.commands import monitor_app
from cyclone.policy.holds import resume
from cyclone.policy.requests import CAUSES, ask, build_request
from cyclone.rows.label_file import LabelFile, load_labels
from cyclone.sections import CheckKind
from cyclone.settings import read_settings
from cyclone.spec import find_model, load_model_specs
from cyclone.store import Row, Store

labels_app = typer.Typer(no_args_is_help=True, help="True values of what was predicted.")
keys_app = typer.Typer(no_args_is_help=True, help="Bearer keys of the clients, in the file of CYCLONE_API_KEYS_FILE.")
log_app = typer.Typer(no_args_is_help=True, help="The prediction log.")
rollups_app = typer.Typer(no_args_is_help=True, help="The log counted by hour, which checks read.")
grafana_app = typer.Typer(no_args_is_help=True, help="What Grafana needs of the store.")
GROUPS = {
    "labels": labels_app,
    "keys": keys_app,
    "log": log_app,
    "monitor": monitor_app,
    "rollups": rollups_app,
    "grafana": grafana_app,
}
# Without markup, because features, reasons and what people wrote may contain brackets.
console = Console(markup=False)
TABLE_CHARACTERS = 160
"""The least width of a table with many columns. A pipe's 80 characters, or a narrow terminal, would cut it."""
REDEPLOY = "cyclone redeploy MODEL"
"""The command that brings changed keys to a revision. The package `training` adds it."""
KeyName = Annotated[str, typer.Argument(help="The name of the client that has the key.")]


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this package to the `cyclone` command."""
    for command in (models, migrate, configure, timeline, retrain):
        app.command()(command)
    app.command("explain")(show_lineage)
    app.command("resume")(resume_model)
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)


def models(as_json: AsJson = False) -> None:
    """List the models, after checking every model.yaml.

    Example: [bold]cyclone models --json[/bold]
    """
    table = Table("model", "task", "features", "label", "monitored by")
    specs, errors = load_model_specs(read_settings().models_dir)
    for spec in specs:
        checks = [name for kind in get_args(CheckKind) for name in spec.monitor.checks(kind)]
        table.add_row(spec.name, spec.task, ", ".join(spec.feature_names), spec.label.name, ", ".join(checks))
    if as_json:
        print_json({"models": [spec.model_dump(mode="json") for spec in specs], "errors": list(map(str, errors))})
    else:
        console.print(table)
    if errors:
        raise ConfigurationError("\n".join(str(error) for error in errors))


def migrate() -> None:
    """Bring the evaluation store's schema up to date. Safe to run twice."""
    applied = Store(read_settings().store_dsn).migrate()
    console.print(f"applied: {', '.join(applied)}" if applied else "nothing to apply: the schema is up to date")


def configure(
    from_terraform: Annotated[Path, typer.Option("--from-terraform", help="What `terraform output -json` printed.")],
    to: Annotated[Path, typer.Option("--to", help="The env file to write. It has passwords, and mode 600.")],
) -> None:
    """Write the settings of an installation that Terraform made. Secrets are read from Google's Secret Manager."""
    endpoint = read_settings().secret_manager_endpoint
    settings = find_settings(read_outputs(from_terraform), lambda name: read_secret(name, endpoint))
    write_settings(to, settings)
    console.print(f"{to}: {', '.join(settings)}", highlight=False, soft_wrap=True)


def timeline(model: ModelName, as_json: AsJson = False) -> None:
    """Show what happened to a model: incidents, candidates, promotions, roll-backs.

    Example: [bold]cyclone timeline bike_demand[/bold]
    """
    _, spec, store = open_model(model)
    rows = store.fetch("lineage/timeline", model=spec.name)
    if as_json:
        print_json({"model": spec.name, "events": rows})
        return
    table = Table("when", "what", "number", "detail")
    for row in rows:
        table.add_row(f"{row['at']:%Y-%m-%d %H:%M}", row["event"], str(row["subject"] or ""), row["detail"] or "")
    console.print(table)


def show_lineage(
    subject: Annotated[list[str], typer.Argument(help="A prediction's id, <model>:v<version>, or incident <number>.")],
    model: Annotated[str, typer.Option(help="The model of a prediction's id that several models have.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what led to a prediction, a version, or the answer to an incident.

    Example: [bold]cyclone explain bike_demand:v2[/bold]
    """
    settings = read_settings()
    specs = [find_model(settings.models_dir, model)] if model else load_model_specs(settings.models_dir)[0]
    found = explain(Store(settings.store_dsn), [spec.name for spec in specs], " ".join(subject))
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(format_lineage(found))


def retrain(
    model: ModelName,
    because: Because = "",
    despite: Annotated[
        list[str] | None, typer.Option(help=f"Ask despite {', '.join(CAUSES)}. May be given several times.")
    ] = None,
) -> None:
    """Ask the policy for a retraining. The monitor's next run starts it, unless one that runs already answers it."""
    settings, spec, store = open_model(model)
    person = getpass.getuser()
    request = build_request(person, is_person=True, because=because, despite=despite or [])
    source = f"cyclone retrain by {person} at {datetime.now(UTC).isoformat()}"
    answer = ask(store, spec, source, request, read_now(store, settings, spec.name))
    if answer.incident_id is None:
        raise HoldError(answer.describe_refusal(spec.name))
    console.print(
        f"{answer.decision.reason}\nIncident {answer.incident_id}: the Airflow run {answer.run_id} answers it",
        highlight=False,
    )


def resume_model(model: ModelName, because: Because = "") -> None:
    """End the holds of a model. Earlier retrainings then count neither for a pause nor for the budget."""
    settings, spec, store = open_model(model)
    for reason in resume(store, spec, getpass.getuser(), because, read_now(store, settings, spec.name)):
        console.print(f"no longer held: {reason}", highlight=False)


@labels_app.command("load")
def load_label_file(
    model: ModelName,
    file: Annotated[Path, typer.Argument(help="A CSV or Parquet file with id, label and perhaps observed_at.")],
) -> None:
    """Store the labels of a file. Good lines are stored, bad ones named on standard error. Safe to run twice."""
    settings, spec, store = open_model(model)
    labels = LabelFile(file, spec.label)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(file.name, total=labels.size)
        summary = load_labels(
            store,
            spec,
            labels,
            lambda number, reason: typer.echo(f"{labels.unit} {number}: {reason}", err=True),
            lambda position: progress.update(task, completed=position),
            is_live=settings.clock == "wall",
        )
    console.print(
        f"{summary.accepted:,} accepted, {summary.repeated:,} repeated, {summary.refused:,} refused."
        f" {summary.unknown_so_far:,} of those kept have no prediction so far",
        highlight=False,
    )
    if summary.refused:
        raise typer.Exit(1)


@keys_app.command("add")
def add_client_key(
    name: KeyName,
    scope: Annotated[list[str], typer.Option(help="What the key is for. May be given twice.")] = list(SERVICE_SCOPES),  # noqa: B006
) -> None:
    """Add a key and print it once. Only its hash is kept. A deployed revision accepts it once deployed again."""
    for value in scope:
        if value not in SCOPES:
            raise ConfigurationError(f"--scope {value!r} must be one of {', '.join(SCOPES)}")
    typer.echo(add_key(_find_keys_file(), name, [known for known in SCOPES if known in scope]))
    if set(scope) & set(SERVICE_SCOPES):
        typer.echo(f"A revision that serves takes it with: {REDEPLOY}", err=True)


@keys_app.command("list")
def list_client_keys(as_json: AsJson = False) -> None:
    """List the keys' names, scopes and ages. The keys themselves are known to nobody.

    Example: [bold]cyclone keys list[/bold]
    """
    keys = read_keys(_find_keys_file())
    if as_json:
        listed = [{"name": key.name, "scopes": key.scopes, "created_at": key.created_at} for key in keys]
        print_json({"keys": listed})
        return
    table = Table("name", "scopes", "created")
    for key in keys:
        table.add_row(key.name, ", ".join(key.scopes), key.created_at)
    console.print(table)


@keys_app.command("revoke")
def revoke_client_key(name: KeyName) -> None:
    """Revoke a key. A deployed revision refuses it once deployed again."""
    revoke_key(_find_keys_file(), name)
    console.print(f"revoked: {name}", highlight=False)
    typer.echo(f"A revision that serves refuses it after: {REDEPLOY}", err=True)


@log_app.command("status")
def show_log_status(
    model: Annotated[str, typer.Argument(help="Only this model, as in models/<name>/.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what became of the answered rows by revision, and the incomplete hours. Exits with 1 if rows are missing.

    Example: [bold]cyclone log status bike_demand[/bold]
    """
    settings = read_settings()
    name = find_model(settings.models_dir, model).name if model else ""
    store = Store(settings.store_dsn)
    revisions = store.fetch("log/by_revision", model=name)
    windows = store.fetch("log/incomplete_windows", model=name, newest=20)
    set_aside = store.fetch("log/set_aside", model=name)
    if as_json:
        print_json({"revisions": revisions, "incomplete_windows": windows, "set_aside": set_aside})
    else:
        _show_log(revisions, windows, set_aside)
    if any(row[end] for row in revisions for end in ENDS_OUTSIDE):
        raise typer.Exit(1)


def _show_log(revisions: list[Row], windows: list[Row], set_aside: list[Row]) -> None:
    wide = Console(width=max(console.width, TABLE_CHARACTERS), markup=False)
    wide.print(build_revision_table(revisions))
    if windows:
        wide.print(build_window_table(windows))
    for refused in set_aside:
        console.print(f"set aside: {refused['count']:,} of {refused['model']}, {refused['reason']}", highlight=False)


@rollups_app.command("rebuild")
def rebuild_rollups(model: ModelName) -> None:
    """Count again every hour that the log still holds. Safe to run twice, and while the monitor runs."""
    _, spec, store = open_model(model)
    summary = rebuild(store, spec)
    console.print(f"{summary.feature_hours:,} hours and {summary.error_changes:,} errors counted", highlight=False)


def _find_keys_file() -> Path:
    path = read_settings().api_keys_file
    if path is None:
        raise ConfigurationError(
            f"{API_KEYS_FILE_VARIABLE} is empty: set it to the file of the clients' bearer keys, which may be a new one"
        )
    return path


@grafana_app.command("connect")
def connect_dashboards(
    password_file: Annotated[Path | None, typer.Option(help="A file with the password of Grafana's role.")] = None,
    airflow: Annotated[str, typer.Option(help="Airflow's address, which dashboards link to.")] = "",
    mlflow: Annotated[str, typer.Option(help="MLflow's address.")] = "",
    cloud_run: Annotated[str, typer.Option(help="The page of a service, with {service} for its name.")] = "",
) -> None:
    """Make the role that Grafana reads the views with, and keep the addresses that dashboards link on to."""
    store = Store(read_settings().store_dsn)
    given = {"airflow": airflow, "mlflow": mlflow, "cloud_run": cloud_run}
    connect_grafana(store, password_file, {name: address for name, address in given.items() if address})
    console.print(f"The role {ROLE} may read the views of {store.address}", soft_wrap=True, highlight=False)
