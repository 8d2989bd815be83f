"""The status of the local platform and of all its models, as a document and as tables."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cyclone.errors import PlatformError, ReleaseError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_specs
from cyclone.store import Row, Store
from local_platform.platform_record import START_COMMAND, PlatformRecord, read_status
from local_platform.webhooks import describe_webhook


def read_fleet(settings: Settings) -> dict[str, Any]:
    """The parts that run, each model, and what is wrong, as a document that can be written as JSON.

    Errors: `PlatformError` when no platform was started.
    """
    parts = read_status(settings.work_dir)
    record = PlatformRecord.read(settings.work_dir.resolve())
    if not parts or record is None:
        raise PlatformError(f"nothing runs in {settings.work_dir}. `{START_COMMAND}` starts the platform")
    store = Store(record.store_dsn)
    specs, errors = load_model_specs(settings.models_dir)
    can_ask = any(part.is_up for part in parts if part.name == "cloud-run")
    models = [_read_model(settings, store, spec, can_ask) for spec in specs]
    not_watched = [*map(str, errors), *_find_unwatched(settings, store)]
    is_fine = all(part.is_up for part in parts) and not not_watched
    return {
        "is_fine": is_fine and not any(model["not_as_recorded"] for model in models),
        "parts": [asdict(part) for part in parts],
        "alerts": describe_webhook(record.airflow),
        "models": models,
        "not_watched": not_watched,
    }


def _read_model(settings: Settings, store: Store, spec: ModelSpec, can_ask: bool) -> dict[str, Any]:
    from cyclone.policy.holds import list_holds

    counts = store.fetch_one("log/count", model=spec.name) or {}
    events = store.fetch("lineage/timeline", model=spec.name)
    return {
        "model": spec.name,
        "traffic": store.fetch("release/traffic", model=spec.name),
        "rows_stored": counts.get("stored", 0),
        "rows_labelled": counts.get("labelled", 0),
        "last_event": events[-1] if events else None,
        "holds": [
            {
                "cause": hold.cause,
                "since": hold.opened_at,
                "reason": hold.reason,
                "remedy": hold.describe_remedy(spec.name),
            }
            for hold in list_holds(store, spec.name)
        ],
        "address": _find_address(settings, spec) if can_ask else None,
        "not_as_recorded": _find_differences(settings, spec) if can_ask else [],
    }


def _find_address(settings: Settings, spec: ModelSpec) -> str | None:
    from releasing.cloud_run import CloudRun

    running = CloudRun(settings).read_service(spec.service_name)
    return running.address if running else None


def _find_differences(settings: Settings, spec: ModelSpec) -> list[str]:
    """What serves and is not what the release record says."""
    from releasing.comparison import find_lasting

    try:
        return list(map(str, find_lasting(settings, spec)))
    except ReleaseError as error:
        return [f"it could not be compared: {error}"]


def _find_unwatched(settings: Settings, store: Store) -> list[str]:
    """The models that serve without a usable folder, so that no DAG watches them."""
    from cyclone.record_comparison import find_unwatched

    return list(map(str, find_unwatched(store, settings.models_dir)))


def show_fleet(console: Console, fleet: dict[str, Any]) -> None:
    """Print the parts, a row for each model, and what a person has to look at, with what can be done about it."""
    from cyclone.policy.holds import describe_remedy

    console.print(_build_part_table(fleet["parts"]))
    console.print(f"alerts go to {fleet['alerts']}", highlight=False, soft_wrap=True, markup=False)
    console.print(_build_model_table(fleet["models"]))
    for model in fleet["models"]:
        for hold in model["holds"]:
            console.print(f"[red]held[/red] {model['model']}, since {hold['since']:%Y-%m-%d %H:%M}", highlight=False)
            console.print(f"  {hold['reason']}\n  What to do: {hold['remedy']}", markup=False)
    for text in fleet["not_watched"]:
        console.print(f"[red]not watched[/red] {escape(text)}", highlight=False, soft_wrap=True)
    for model in fleet["models"]:
        if model["address"]:
            console.print(f"{model['model']} answers at {model['address']}", highlight=False)
    for model in fleet["models"]:
        for text in model["not_as_recorded"]:
            words = f"[red]not as recorded[/red] {model['model']}: {escape(text)}"
            console.print(words, highlight=False, soft_wrap=True)
        if model["not_as_recorded"]:
            console.print(f"  What to do: {describe_remedy('release', model['model'])}", markup=False, soft_wrap=True)


def _build_part_table(parts: list[Row]) -> Table:
    table = Table("part", "is up", Column("address", overflow="fold"), "memory")
    for part in parts:
        state = "[green]yes[/green]" if part["is_up"] else "[red]no[/red]"
        table.add_row(part["name"], state, part["address"], f"{part['memory_mb']:,.0f} MB")
    return table


def _build_model_table(models: list[Row]) -> Table:
    """A row for each model: its traffic by version, its stored and labelled rows, and its last event."""
    table = Table("model", "traffic", "rows stored", "labelled", "last event")
    for model in models:
        shares = [f"v{share['version']} {share['traffic_percent']} %" for share in model["traffic"]]
        event = model["last_event"]
        table.add_row(
            model["model"],
            ", ".join(shares) or "not released",
            f"{model['rows_stored']:,}",
            f"{model['rows_labelled']:,}",
            escape(describe_event(event)) if event else "",
        )
    return table


def describe_event(event: Row) -> str:
    """An event of a model's timeline as one line."""
    detail = f": {event['detail']}" if event["detail"] else ""
    return f"{event['at']:%Y-%m-%d %H:%M} {event['event']}{detail}"
