"""The fleet: one row a model, those first that need a person."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cyclone.page.rendering import render
from cyclone.store import Store
from cyclone.wording import count_of

Row = Mapping[str, Any]


class Need(NamedTuple):
    """What a model needs, in words, and the colour that goes with them."""

    words: str
    tone: str


class Filter(NamedTuple):
    """A choice of models: its name in the address, what it is called, and which models it keeps."""

    name: str
    words: str
    keeps: Callable[[Row], bool]


FILTERS = (
    Filter("", "All", lambda row: True),
    Filter("person", "Need a person", lambda row: row["attention"] >= 3),
    Filter("failed", "Failed last", lambda row: row["has_failed"]),
    Filter("held", "Held", lambda row: row["is_held"]),
    Filter("canary", "Canary under way", lambda row: row["is_canary"]),
)


@dataclass(frozen=True)
class FilterLink:
    """A filter as it is shown, with the number of models that it keeps."""

    words: str
    query: str
    count: int
    is_chosen: bool


def show_fleet(store: Store, root: str, seen: Collection[str], chosen: str) -> str:
    """The HTML of the fleet. `seen` are the models that the user may see, `chosen` is the name of a filter."""
    rows = [row for row in store.fetch("page/fleet") if row["model"] in seen]
    known = next((each for each in FILTERS if each.name == chosen), FILTERS[0])
    kept = [{**row, "need": find_need(row), "told": tell(row)} for row in rows if known.keeps(row)]
    links = [
        FilterLink(each.words, f"?show={each.name}" if each.name else "", sum(map(each.keeps, rows)), each is known)
        for each in FILTERS
    ]
    return render("fleet", root=root, rows=kept, total=len(rows), filters=links, summary=_sum_up(rows))


def find_need(row: Row) -> Need:
    """What a model needs most.

    >>> find_need({"is_unwatched": False, "is_held": True, "attention": 3})
    Need(words='a person', tone='warn')
    """
    if row["attention"] == 0 and not row.get("is_canary"):
        return Need("nothing", "good")
    if row["is_unwatched"]:
        return Need("its monitor", "bad")
    if row["is_held"] or row.get("is_waiting"):
        return Need("a person", "warn")
    if row["is_canary"]:
        return Need("canary", "plain")
    if row["incident_id"] is not None:
        return Need("retraining", "plain")
    return Need("a look", "bad") if row["verdict"] == "failed" else Need("data", "none")


def tell(row: Row) -> str:
    """What stands beside a model: what troubles it, or the reason of its newest decision."""
    if row.get("is_waiting"):
        return f"Version {row['canary_version']} waits for a person's approval"
    words: str = row["sentence"] or row["reason"] or "The monitor has not decided yet"
    return re.sub(r"(^|\. )([a-z])", lambda found: found[0].upper(), words)


def _sum_up(rows: Sequence[Row]) -> str:
    needing = sum(row["attention"] >= 3 for row in rows)
    if not rows:
        return ""
    return f"{count_of(len(rows), 'model')}, {needing or 'none'} {'needs' if needing <= 1 else 'need'} a person"
