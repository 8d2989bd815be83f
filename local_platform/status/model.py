"""The status of one model: is it fine, and should it be retrained? As a document, and in words."""

from typing import Any

from rich.console import Console
from rich.table import Table

from cyclone.policy.holds import list_holds
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from cyclone.wording import format_number, format_percent, join_clauses
from local_platform.status.pages import list_model_pages

SPARKLINE_DAYS = 30
"""The newest labelled days that the sparkline has. A month shows a week's rhythm and a rise above it."""
COVERAGE_DAYS = 7
"""The newest days whose labels are counted. A week has each weekday once."""
BARS = "▁▂▃▄▅▆▇█"
"""The characters of a sparkline, from nothing to the highest day."""
WORDS = {
    "not_released": "nothing serves yet",
    "held": "a person must look",
    "retraining": "a retraining is under way",
    "unwatched": "its monitor does not run",
    "warning": "checks have failed, and no retraining is due",
    "unknown": "not known yet",
    "fine": "fine",
}
"""The states of a model, the worst first, with what each means."""


def read_model_status(settings: Settings, spec: ModelSpec) -> dict[str, Any]:
    """The status of a model as a document that can be written as JSON. Times are datetimes in it."""
    store, name = Store(settings.store_dsn), spec.name
    row = store.fetch_one("status/model", model=name) or {}
    verdicts = store.fetch_one("status/verdicts", model=name) or {}
    coverage = store.fetch_one("status/coverage", model=name, days=COVERAGE_DAYS) or {}
    counts = store.fetch_one("log/count", model=name) or {}
    holds = [
        {"cause": hold.cause, "since": hold.opened_at, "reason": hold.reason, "remedy": hold.describe_remedy(name)}
        for hold in list_holds(store, name)
    ]
    state = find_state(row, verdicts, bool(holds))
    return {
        "model": name,
        "at": row["at"],
        "state": state,
        "summary": WORDS[state],
        "version": row["version"],
        "serves_since": row["promoted_at"],
        "traffic": store.fetch("release/traffic", model=name),
        "error": _describe_error(row),
        "decision": store.fetch_one("page/decision", model=name),
        "verdicts": verdicts,
        "holds": holds,
        "incident": {"number": row["incident_id"], "reason": row["incident_reason"]} if row["incident_id"] else None,
        "log": {"rows": counts.get("stored", 0), "completeness_newest_day": row["completeness"]},
        "labels": {
            "rows": counts.get("labelled", 0),
            "coverage": coverage["labelled"] / coverage["rows"] if coverage.get("rows") else None,
            "median_hours": row["label_median_hours"],
        },
        "daily_errors": store.fetch("status/daily_errors", model=name, days=SPARKLINE_DAYS),
        "addresses": list_model_pages(settings, spec),
    }


def find_state(row: Row, verdicts: Row, is_held: bool) -> str:
    """The worst of `WORDS` that is true of a model."""
    if row["version"] is None:
        return "not_released"
    if is_held:
        return "held"
    if row["incident_id"]:
        return "retraining"
    if row["is_unwatched"] and row["at"] is not None:
        return "unwatched"
    if verdicts["failed"]:
        return "warning"
    return "fine" if row["is_judged"] else "unknown"


def _describe_error(row: Row) -> dict[str, Any]:
    return {
        "metric": row["metric"],
        "current": row["error"],
        "accepted": row["accepted_error"],
        "limit": row["error_limit"],
        "ratio": row["error_ratio"],
        "days": row["error_days"],
        "labels": row["error_labels"],
    }


def draw_sparkline(values: list[float]) -> str:
    """Values as bars, from 0 to the highest.

    >>> draw_sparkline([0, 1, 2, 4])
    '▁▃▅█'
    """
    highest = max(values, default=0)
    return "".join(BARS[round((len(BARS) - 1) * value / highest)] if highest > 0 else BARS[0] for value in values)


def show_model_status(console: Console, status: dict[str, Any]) -> None:
    """Print the status of a model. The first line answers, and the others say by which numbers."""
    colour = {"fine": "green", "unknown": "yellow", "not_released": "yellow"}.get(status["state"], "red")
    if status["state"] in ("retraining", "warning"):
        colour = "yellow"
    console.print(f"[bold]{status['model']}[/bold]: [{colour}]{status['summary']}[/{colour}]", highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, text in _list_lines(status):
        table.add_row(name, text)
    console.print(table, markup=False, highlight=False)


def _list_lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines of a status, each with its name. A line about which nothing is known is left out."""
    if status["state"] == "not_released":
        return [("what to do", f"`cyclone train {status['model']}` trains and releases its first version")]
    shares = [f"v{share['version']} {share['traffic_percent']} %" for share in status["traffic"]]
    lines = [("traffic", f"{join_clauses(shares)}, since {status['serves_since']:%Y-%m-%d %H:%M}")]
    lines += [("held", f"{hold['reason']}. What to do: {hold['remedy']}") for hold in status["holds"]]
    if incident := status["incident"]:
        lines.append(("incident", f"{incident['number']}: {incident['reason']}"))
    if decision := status["decision"]:
        lines.append(("decision", f"{decision['at']:%Y-%m-%d %H:%M} {decision['action']}: {decision['reason']}"))
    if status["error"]["current"] is not None:
        lines.append(("error", _format_error(status["error"])))
    if days := status["daily_errors"]:
        span = f"{days[0]['day']:%Y-%m-%d} to {days[-1]['day']:%Y-%m-%d}"
        lines.append(("by day", f"{draw_sparkline([day['error'] for day in days])}  {span}"))
    lines += [("checks", _format_verdicts(status["verdicts"])), *_list_counts(status["log"], status["labels"])]
    return lines + list(status["addresses"].items())


def _format_error(error: dict[str, Any]) -> str:
    ratio = f"{error['ratio']:.2f} × the accepted" if error["ratio"] is not None else "accepted"
    measured = f"{error['metric']} {format_number(error['current'])} on a typical day"
    return (
        f"{measured}, {ratio} {format_number(error['accepted'])}. Above {format_number(error['limit'])} it is retrained"
    )


def _format_verdicts(verdicts: Row) -> str:
    words = [f"{verdicts['passed']} passed", f"{verdicts['no_data']} without data", f"{verdicts['failed']} failed"]
    failed = f": {', '.join(verdicts['failed_checks'])}" if verdicts["failed_checks"] else ""
    return ", ".join(words) + failed


def _list_counts(log: dict[str, Any], labels: dict[str, Any]) -> list[tuple[str, str]]:
    complete, covered = log["completeness_newest_day"], labels["coverage"]
    share = "" if complete is None else f", {complete:.2%} of the newest day's rows"
    coverage = "" if covered is None else f", {format_percent(covered)} of those due in a week"
    return [("log", f"{log['rows']:,} rows{share}"), ("labels", f"{labels['rows']:,}{coverage}")]
