"""An incident or a retraining: what opened it, the gate's numbers, the canary's steps, and how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cyclone.errors import LineageError
from cyclone.page.doing import APPROVE, PROMOTE, REFUSE, ROLL_BACK, Action
from cyclone.page.model import Visit, read_known, render_view
from cyclone.page.rendering import NOTHING, format_share
from cyclone.releases import UNDER_WAY
from cyclone.store import Store
from cyclone.wording import format_number

Row = Mapping[str, Any]
SHARES = ("failure_share", "lost_share")
"""Measures of a canary that are shares, and are shown in percent."""
DECISIONS = (PROMOTE, ROLL_BACK)
"""What a person can do about a canary, whose forms are open beside its numbers."""
ANSWERS = (APPROVE, REFUSE)
"""What a person can say to a candidate that waits for approval."""
UNITS = {"latency_mean_ms": "ms", "vanished_instances": "instances"}
MEASURES = {
    "failure_share": "failed requests",
    "latency_mean_ms": "mean latency",
    "error": "error",
    "prediction_shift": "shift of predictions",
    "lost_share": "lost rows",
    "vanished_instances": "vanished instances",
}
"""What a canary measures, as people call it."""


@dataclass(frozen=True)
class DrawnInterval:
    """An interval beside its limit, in percent of the width in which it is drawn."""

    left: float
    width: float
    limit: float


def show_incident(store: Store, model: str, visit: Visit) -> str:
    """The HTML of an incident of a model. Errors: `LineageError` when there is no such incident."""
    number = int(visit.query["number"])
    with store.connected() as kept:
        is_possible = number < 2**63  # a number that a bigint can hold
        incident = (
            kept.fetch_one("page/incident", model=model, incident_id=number, run_id=None) if is_possible else None
        )
        if incident is None:
            raise LineageError(f"{model} has no incident {number}")
        return _show(kept, model, visit, incident["run_id"], incident)


def show_run(store: Store, model: str, visit: Visit) -> str:
    """The HTML of a retraining by the id of its run. A run that has not begun yet says so."""
    run_id = visit.query.get("run_id") or visit.query.get("run", "")
    with store.connected() as kept:
        incident = kept.fetch_one("page/incident", model=model, incident_id=None, run_id=run_id)
        return _show(kept, model, visit, run_id, incident)


def _show(store: Store, model: str, visit: Visit, run_id: str | None, incident: Row | None) -> str:
    known = read_known(store, model)
    of_run = {"model": model, "run_id": run_id}
    retraining = store.fetch_one("page/retraining", **of_run) if run_id else None
    version = retraining["version"] if retraining else None
    measures = store.fetch("page/canary_measures", model=model, version=version) if version is not None else []
    return render_view(
        "incident",
        visit,
        model,
        run_id,
        period=visit.read_period(known["present"]),
        incident=incident,
        retraining=retraining,
        gate=store.fetch("page/gate", **of_run) if run_id else [],
        stages=_scale_stages(store.fetch("page/stages", **of_run)) if run_id else [],
        steps=store.fetch("page/canary_steps", **of_run) if run_id else [],
        measures=[_tell_measure(row) for row in measures],
        ratio_interval=find_ratio_interval,
        metric=known["metric"] or "error",
        actions=find_decisions(visit, retraining),
    )


def find_decisions(visit: Visit, retraining: Row | None) -> Sequence[Action]:
    """What a person can decide about a retraining that is under way: its question, or else its canary."""
    if not visit.may_act or retraining is None or retraining["state"] not in UNDER_WAY:
        return ()
    return DECISIONS if retraining["question"] is None else ANSWERS


def _scale_stages(stages: Sequence[Row]) -> list[Row]:
    longest = max((row["seconds"] or 0 for row in stages), default=0) or 1
    return [{**row, "width": 100 * (row["seconds"] or 0) / longest} for row in stages]


def _tell_measure(row: Row) -> Row:
    """A measure with its numbers in words, and its interval to draw."""
    name = row["measure"]

    def tell(value: float | None) -> str:
        if value is None:
            return NOTHING
        return format_share(value) if name in SHARES else f"{format_number(value)} {UNITS.get(name, '')}".strip()

    return {
        **row,
        "name": MEASURES.get(name, name.replace("_", " ")),
        "candidate": tell(row["candidate"]),
        "champion": tell(row["champion"]),
        "compared": f"{tell(row['compared_low'])} to {tell(row['compared_high'])}",
        "limit": tell(row["limit_value"]),
        "interval": find_interval(row["compared_low"], row["compared_high"], row["limit_value"]),
    }


def find_ratio_interval(row: Row) -> DrawnInterval | None:
    """The interval of a gate's ratio, which may be open."""
    return find_interval(row["ratio_lower"], row["ratio_upper"], row["limit_ratio"])


def find_interval(low: float | None, high: float | None, limit: float | None) -> DrawnInterval | None:
    """Where an interval and its limit are drawn, with a little space around them. None without all three numbers.

    >>> find_interval(0.8, 1.0, 1.2)
    DrawnInterval(left=10.0, width=40.0, limit=90.0)
    """
    if low is None or high is None or limit is None:
        return None
    first, last = min(low, limit), max(high, limit)
    span = last - first or 1.0

    def place(value: float) -> float:
        return round(10 + 80 * (value - first) / span, 2)

    return DrawnInterval(place(low), round(place(high) - place(low), 2), place(limit))
