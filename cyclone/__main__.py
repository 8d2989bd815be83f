"""The `cyclone` command. Other packages add commands through the entry point group `cyclone.commands`."""

import json
import sys
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from cyclone.errors import ConfigurationError, CycloneError
from cyclone.keys import SCOPES, add_key, read_keys, revoke_key
from cyclone.labels_file import LabelFile, load_labels
from cyclone.lineage import explain as explain_subject
from cyclone.lineage_report import format_lineage
from cyclone.log_status import build_revision_table, build_window_table
from cyclone.rollups import rebuild
from cyclone.sections import CheckKind
from cyclone.settings import read_settings
from cyclone.spec import find_changed_spec, find_model, load_model_specs
from cyclone.store import Store
from cyclone.what_if import build_change_table, judge_past

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Serve models, watch them, and retrain and re-release them only when that pays.",
    epilog="Start with [bold]cyclone demo[/bold]: the whole loop on real data, on this machine.",
)
labels_app = typer.Typer(no_args_is_help=True, help="What turned out to be true.")
app.add_typer(labels_app, name="labels")
keys_app = typer.Typer(no_args_is_help=True, help="Bearer keys of the clients, in the file of CYCLONE_API_KEYS_FILE.")
app.add_typer(keys_app, name="keys")
log_app = typer.Typer(no_args_is_help=True, help="The prediction log.")
app.add_typer(log_app, name="log")
monitor_app = typer.Typer(no_args_is_help=True, help="The checks and what they decide.")
app.add_typer(monitor_app, name="monitor")
rollups_app = typer.Typer(no_args_is_help=True, help="What the checks read: the log, counted by hour.")
app.add_typer(rollups_app, name="rollups")
console = Console(markup=False)  # features, reasons and what people wrote may hold brackets
TABLE_CHARACTERS = 160
"""A table of many columns is not cut to a narrow terminal, nor to a pipe's 80."""
KeyName = Annotated[str, typer.Argument(help="Whose key it is.")]
ModelName = Annotated[str, typer.Argument(help="The model's name, as in models/<name>/.")]


@app.command()
def models() -> None:
    """List the models, after checking every model.yaml."""
    table = Table("model", "task", "features", "label", "monitored by")
    specs, errors = load_model_specs(read_settings().models_dir)
    for spec in specs:
        checks = [name for kind in get_args(CheckKind) for name in spec.monitor.checks(kind)]
        table.add_row(spec.name, spec.task, ", ".join(spec.feature_names), spec.label.name, ", ".join(checks))
    console.print(table)
    if errors:
        raise ConfigurationError("\n".join(str(error) for error in errors))


@app.command()
def migrate() -> None:
    """Bring the evaluation store's schema up to date. Safe to run twice."""
    applied = Store(read_settings().store_dsn).migrate()
    console.print(f"applied: {', '.join(applied)}" if applied else "nothing to apply: the schema is up to date")


@app.command()
def timeline(model: ModelName) -> None:
    """Show what happened to a model: incidents, candidates, promotions, roll-backs."""
    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    table = Table("when", "what", "number", "detail")
    for row in Store(settings.store_dsn).fetch("store/timeline", model=spec.name):
        table.add_row(f"{row['at']:%Y-%m-%d %H:%M}", row["event"], str(row["subject"] or ""), row["detail"] or "")
    console.print(table)


@app.command()
def explain(
    subject: Annotated[
        list[str], typer.Argument(help="A prediction's id, a version as <model>:v<number>, or: incident <number>.")
    ],
    model: Annotated[str, typer.Option(help="The model of the id, where several models have it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Tell what led to a prediction, a version, or the answer to an incident."""
    settings = read_settings()
    specs = [find_model(settings.models_dir, model)] if model else load_model_specs(settings.models_dir)[0]
    found = explain_subject(Store(settings.store_dsn), [spec.name for spec in specs], " ".join(subject))
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else format_lineage(found))


@labels_app.command("load")
def load_label_file(
    model: ModelName,
    file: Annotated[Path, typer.Argument(help="A .csv or .parquet file with id, label and perhaps observed_at.")],
) -> None:
    """Keep a file's labels; bad lines are named on standard error and the good ones land. Safe to run twice."""
    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    labels = LabelFile(file, spec.label)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(file.name, total=labels.size)
        summary = load_labels(
            Store(settings.store_dsn),
            spec,
            labels,
            lambda number, reason: typer.echo(f"line {number}: {reason}", err=True),
            lambda position: progress.update(task, completed=position),
        )
    console.print(
        f"{summary.accepted:,} accepted, {summary.repeated:,} repeated, {summary.refused:,} refused;"
        f" {summary.unknown_so_far:,} of those kept have no prediction so far",
        highlight=False,
    )
    if summary.refused:
        raise typer.Exit(1)


@keys_app.command("add")
def add_client_key(
    name: KeyName,
    scope: Annotated[list[str], typer.Option(help="What the key is for; may be given twice.")] = list(SCOPES),  # noqa: B006
) -> None:
    """Add a key and print it, this once: only its hash is kept. Running services take it at once."""
    for value in scope:
        if value not in SCOPES:
            raise ConfigurationError(f"--scope {value!r} must be one of {', '.join(SCOPES)}")
    typer.echo(add_key(_find_keys_file(), name, [known for known in SCOPES if known in scope]))


@keys_app.command("list")
def list_client_keys() -> None:
    """List the keys' names, scopes and ages."""
    table = Table("name", "scopes", "created")
    for key in read_keys(_find_keys_file()):
        table.add_row(key.name, ", ".join(key.scopes), key.created_at)
    console.print(table)


@keys_app.command("revoke")
def revoke_client_key(name: KeyName) -> None:
    """Take a key away. Running services refuse it at once."""
    revoke_key(_find_keys_file(), name)
    console.print(f"revoked: {name}", highlight=False)


@log_app.command("status")
def show_log_status(
    model: Annotated[str, typer.Argument(help="Only this model, as in models/<name>/.")] = "",
) -> None:
    """Show what became of every answered row, by revision, and the hours that are not complete. Fails on a loss."""
    settings = read_settings()
    name = find_model(settings.models_dir, model).name if model else ""
    store = Store(settings.store_dsn)
    revisions = store.fetch("store/log_by_revision", model=name)
    wide = Console(width=max(console.width, TABLE_CHARACTERS), markup=False)
    wide.print(build_revision_table(revisions))
    if windows := store.fetch("store/log_incomplete_windows", model=name, newest=20):
        wide.print(build_window_table(windows))
    for refused in store.fetch("store/log_set_aside", model=name):
        console.print(f"set aside: {refused['count']:,} of {refused['model']}, {refused['reason']}", highlight=False)
    if any(row["dropped"] or row["set_aside"] or row["lost"] for row in revisions):
        raise typer.Exit(1)


@monitor_app.command("what-if")
def show_what_if(
    model: ModelName,
    config: Annotated[Path, typer.Option(help="The changed model.yaml.")],
    since: Annotated[datetime, typer.Option("--from", help="UTC, e.g. 2026-11-01.")],
    until: Annotated[datetime, typer.Option("--to", help="UTC; days that end up to here are judged.")],
) -> None:
    """Show what a changed configuration would have decided, day by day. Nothing is recorded."""
    settings = read_settings()
    spec = find_changed_spec(settings.models_dir, model, config)
    store = Store(settings.store_dsn)
    count = 0
    for day in judge_past(store, spec, since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)):
        console.print(f"{day.window_end:%Y-%m-%d}: {'retrain: ' * day.decision.should_retrain}{day.decision.reason}")
        if day.changed:
            count += len(day.changed)
            console.print(build_change_table(day))
    console.print(f"{count} verdicts differ from those recorded", highlight=False)


@rollups_app.command("rebuild")
def rebuild_rollups(model: ModelName) -> None:
    """Count again every hour that the log still holds. Safe to run twice, and while the monitor runs."""
    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    summary = rebuild(Store(settings.store_dsn), spec)
    console.print(f"{summary.feature_hours:,} hours and {summary.error_changes:,} errors counted", highlight=False)


def _find_keys_file() -> Path:
    path = read_settings().api_keys_file
    if path is None:
        raise ConfigurationError("CYCLONE_API_KEYS_FILE is empty: it names the file of the clients' bearer keys")
    return path


def main() -> None:
    """Run the command; an error that the user can mend is one sentence, not a traceback."""
    try:
        for entry in entry_points(group="cyclone.commands"):
            entry.load()(app)
        app()
    except CycloneError as error:
        words = f"[bold red]cyclone:[/bold red] {escape(str(error))}"
        Console(stderr=True).print(words, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
