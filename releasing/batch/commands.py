"""The `cyclone` command `predict`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from cyclone.command_line import ModelName
from cyclone.errors import ConfigurationError
from cyclone.settings import read_settings
from cyclone.spec import find_model

console = Console(markup=False)


def predict(
    model: ModelName,
    place: Annotated[str, typer.Option("--from", help="A CSV or Parquet file, or the URI of a Postgres.")],
    to: Annotated[Path, typer.Option("--to", help="The CSV file for the predictions. It must not exist.")] = Path(
        "predictions.csv"
    ),
    query: Annotated[str, typer.Option(help="The SELECT that gives the rows, where --from is a Postgres.")] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="A file with a bearer key, for a service that asks for one.")
    ] = None,
) -> None:
    """Score a file of rows with the version that serves. The rows are logged and monitored as requests are.

    Rows that the service refuses are named on standard error, and the others are scored. It exits with 1 then.
    Interrupted, the same command goes on where it stopped, and no row is logged twice.

    Example: [bold]cyclone predict bike_demand --from rows.csv --to scored.csv[/bold]
    """
    from releasing.batch.answers import AnswersFile
    from releasing.batch.rows import BatchRows
    from releasing.batch.scoring import ModelService, score
    from training.starting.source import open_table

    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    service = ModelService(settings, spec, _read_key(key_file))
    answers = AnswersFile(spec, to)
    with open_table(place, query) as (path, name), Progress(console=console, transient=True) as progress:
        rows = BatchRows(spec, path, name)
        task = progress.add_task(name, total=rows.size)
        summary = score(
            service,
            rows,
            answers,
            spec.serving.max_rows,
            lambda number, reason: typer.echo(f"{rows.unit} {number}: {reason}", err=True),
            lambda position: progress.update(task, completed=position),
        )
    earlier = f" {summary.earlier:,} were scored before." if summary.earlier else ""
    console.print(f"{to}: {summary.scored:,} scored, {summary.refused:,} refused.{earlier}", highlight=False)
    if summary.refused:
        raise typer.Exit(1)


def _read_key(path: Path | None) -> str:
    """The key in a file, or an empty text. Errors: `ConfigurationError` when the file cannot be read or is empty."""
    if path is None:
        return ""
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--key-file {path}: it cannot be read: {error}") from error
    if not key or "\n" in key:
        raise ConfigurationError(f"--key-file {path}: it needs one line with one key. `cyclone keys add` prints one")
    return key
