"""The `cyclone` command `backtest`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from cyclone.command_line import ModelName
from cyclone.errors import ConfigurationError
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model, replace_policy

console = Console(markup=False)
TABLE_CHARACTERS = 140
"""The least width of a table. Its reasons are sentences, which the 80 characters of a pipe would cut."""
PICTURES = (".png", ".svg", ".pdf")


def backtest(
    model: ModelName,
    policy: Annotated[Path | None, typer.Option(help="A YAML file whose retrain: and recalibrate: are tried.")] = None,
    since: Annotated[
        str, typer.Option("--from", help="The first replayed day (ISO, UTC). The first version knows all before.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="The day (ISO, UTC) before which it ends.")] = "",
    store: Annotated[bool, typer.Option("--store", help="Replay the store's rows, not the history file's.")] = False,
    worlds: Annotated[int, typer.Option(min=0, max=100, help="Unchanging worlds, for the rate of false alarms.")] = 4,
    advise: Annotated[
        bool, typer.Option("--advise", help="Try other prices and windows, and say what to set.")
    ] = False,
    picture: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("backtest.png"),
) -> None:
    """Replay history through the policy, beside calendars and the best schedule in hindsight. A year takes minutes."""
    from training.backtest.advice import build_advice_table
    from training.backtest.history import build_history, cut_history, find_start
    from training.backtest.picture import draw_picture
    from training.backtest.report import build_policy_table, build_retraining_table
    from training.backtest.run import check_start, run_backtest
    from training.checking.pipeline import check_pipeline

    settings = read_settings()
    spec = find_model(settings.models_dir, model)
    _check_picture(picture)
    if policy is not None:
        spec = replace_policy(spec, policy)
    rows = _read_rows(settings, spec, from_store=store)
    frame = cut_history(rows, _parse_day("--to", until) if until else None)
    history = build_history(spec, frame)
    start = find_start(history, _find_first_day(spec, since, history.first_day))
    check_start(history, frame, start)
    check_pipeline(settings, spec, frame)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"replaying {history.day_count - start} days of {spec.name}", total=1.0)
        result = run_backtest(
            history,
            EstimatorOf(settings, spec),
            start,
            worlds,
            lambda _, share: progress.update(task, completed=share),
            is_advised=advise,
        )
    wide = Console(width=max(console.width, TABLE_CHARACTERS), markup=False)
    if result.policy.retrainings or result.policy.holds:
        wide.print(build_retraining_table(result))
    wide.print(build_policy_table(result))
    if result.advice:
        wide.print(build_advice_table(result.advice))
    draw_picture(result, picture)
    console.print(f"Picture: {picture}", highlight=False)


def _check_picture(path: Path) -> None:
    """Check the picture's name before minutes of work.

    Errors: `ConfigurationError` for another ending or a missing folder.
    """
    if path.suffix not in PICTURES:
        raise ConfigurationError(f"--picture {path}: the name has to end with one of {', '.join(PICTURES)}")
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"--picture {path}: the folder {path.absolute().parent} does not exist. Make it first")


class EstimatorOf:
    """A call of `build_estimator` of a model's pipeline.py. The object can be sent to another process."""

    def __init__(self, settings: Settings, spec: ModelSpec) -> None:
        self.settings, self.spec = settings, spec

    def __call__(self) -> Any:
        from training.fit.model_code import load_builder

        return load_builder(self.settings, self.spec)()


def _read_rows(settings: Settings, spec: ModelSpec, *, from_store: bool) -> Any:
    from training.data.history import read_history_frame
    from training.data.known_rows import read_known_rows

    if from_store or spec.history is None:
        return read_known_rows(settings, spec).frame
    return read_history_frame(spec, settings.models_dir / spec.name)


def _find_first_day(spec: ModelSpec, since: str, first: datetime) -> datetime:
    if since:
        return _parse_day("--from", since)
    if spec.history_until:
        return _parse_day("history_until", spec.history_until)
    raise ConfigurationError(
        f"{spec.name}: model.yaml has no history_until to begin with. Add --from with a day after the first row,"
        f" {first:%Y-%m-%d}"
    )


def _parse_day(name: str, text: str) -> datetime:
    from training.data.history import parse_time

    try:
        return parse_time(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} {text!r}: this is no ISO date. Write it as 2011-02-01") from error
