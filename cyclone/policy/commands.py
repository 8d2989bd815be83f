"""The `cyclone monitor` commands: what past days would have led to, and their verdicts."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console

from cyclone.checks.backfill import judge_days
from cyclone.checks.verdicts import Verdict
from cyclone.clock import read_now
from cyclone.command_line import AsJson, ModelName, open_model, print_json
from cyclone.errors import ConfigurationError
from cyclone.policy.what_if import build_change_table, judge_past
from cyclone.settings import read_settings
from cyclone.spec import find_changed_spec
from cyclone.store import Store
from cyclone.times import EARLIEST_OF_HISTORY

monitor_app = typer.Typer(no_args_is_help=True, help="The checks and what they decide.")
# Without markup, because features may contain brackets.
console = Console(markup=False)


@monitor_app.command("what-if")
def show_what_if(
    model: ModelName,
    config: Annotated[Path, typer.Option(help="The changed model.yaml.")],
    since: Annotated[datetime, typer.Option("--from", help="UTC, e.g. 2026-11-01.")],
    until: Annotated[datetime, typer.Option("--to", help="UTC. Days that end up to here are judged.")],
    as_json: AsJson = False,
) -> None:
    """Show what a changed configuration would have decided, day by day. Nothing is recorded.

    Example: [bold]cyclone monitor what-if bike_demand --config other.yaml --from 2011-02-01 --to 2011-03-01[/bold]
    """
    settings = read_settings()
    spec = find_changed_spec(settings.models_dir, model, config)
    store = Store(settings.store_dsn)
    span = _read_span(since, until, read_now(store, settings, spec.name))
    days, count = judge_past(store, spec, *span), 0
    if as_json:
        print_json({"model": spec.name, "days": [day.to_json() for day in days]})
        return
    for day in days:
        told = "retrain: " * day.decision.should_retrain + day.decision.reason
        console.print(f"{day.window_end:%Y-%m-%d}: {told}", soft_wrap=True)
        if day.changed:
            count += len(day.changed)
            console.print(build_change_table(day))
    console.print(f"{count} verdicts differ from those recorded", highlight=False)


@monitor_app.command("backfill")
def backfill_days(
    model: ModelName,
    since: Annotated[datetime, typer.Option("--from", help="The first day, UTC, e.g. 2026-11-01.")],
    until: Annotated[datetime, typer.Option("--to", help="UTC. Days that end up to here are judged.")],
) -> None:
    """Record the verdicts on past days, each judged once at its end. Nothing is started. Safe to run twice."""
    settings, spec, store = open_model(model)
    now = read_now(store, settings, spec.name)
    for end, results in judge_days(store, spec, *_read_span(since, until, now), now):
        counts = Counter(result.verdict for result in results)
        found = ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict))
        console.print(f"day that ended at {end:%Y-%m-%d}: {found if results else 'no version served'}", highlight=False)


def _read_span(since: datetime, until: datetime, now: datetime) -> tuple[datetime, datetime]:
    """The two moments in UTC. One without a zone is in UTC. Errors: `ConfigurationError` for a year without rows."""
    for option, moment in (("--from", since), ("--to", until)):
        # Compared by year, as a zone could lead out of the years that there are.
        if not EARLIEST_OF_HISTORY.year <= moment.year <= now.year:
            raise ConfigurationError(
                f"{option} {moment.isoformat()}: no row can be of this year. Give a day from"
                f" {EARLIEST_OF_HISTORY:%Y-%m-%d} to {now:%Y-%m-%d}"
            )
    start, end = (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (since, until))
    return start, end
