"""The page of one model: the sentence, what a person can do, the story of its error, and what happened."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cyclone.errors import ConfigurationError
from cyclone.names import name_dag
from cyclone.page.answer import find_answer
from cyclone.page.doing import offer_actions
from cyclone.page.period import PRESETS, Period, read_period
from cyclone.page.rendering import NOTHING, format_moment, format_share, quote_part, render
from cyclone.page.story import build_story
from cyclone.policy.holds import list_holds
from cyclone.store import Store
from cyclone.wording import format_number

Row = Mapping[str, Any]
PREFIX = "/cyclone"
"""Where the page lives within Airflow, as its plugin says."""
MOST_EVENTS = 60
"""How many events the table shows. More than a person reads, and small enough to load at once."""


class Notice(NamedTuple):
    """What became of what the user has just done."""

    words: str
    is_fault: bool


class Fact(NamedTuple):
    """A number beside its name, with a note below it."""

    name: str
    value: Any
    note: Any = ""


@dataclass(frozen=True)
class Visit:
    """Who looks at what: the root of the page's addresses, the period of the address, and what the user may do."""

    root: str
    query: Mapping[str, str]
    may_act: bool = False
    message: Notice | None = None
    is_replay: bool = False

    def read_period(self, present: datetime | None, default: str = "") -> Period:
        """The period of the address. `present` is the end of the newest logged hour, which is the present of a replay.

        `default` is the number of days for an address that names no period.
        """
        now = present if self.is_replay and present else max(filter(None, (present, datetime.now(UTC))))
        days = self.query.get("days", "") or default
        return read_period(self.query.get("since", ""), self.query.get("until", ""), days, now)


def read_known(store: Store, model: str, statement: str = "page/known") -> Row:
    """The present of a model and its metric, or all that another statement knows of it.

    Errors: `ConfigurationError` for a model that was never monitored.
    """
    known = store.fetch_one(statement, model=model)
    if known is None:
        raise ConfigurationError(
            f"{model} is not monitored yet: nothing is known of it until {name_dag('monitor', model)} has run once. In"
            " Airflow a new DAG may be paused"
        )
    return known


def show_model(store: Store, model: str, visit: Visit) -> str:
    """The HTML of a model's page. Errors: `ConfigurationError` for a model that was never monitored."""
    with store.connected() as kept:
        status = read_known(kept, model, "page/status")
        period = visit.read_period(status["present"])
        of_period = {"model": model, "since": period.since, "until": period.until}
        under_way = kept.fetch_one("page/under_way", model=model) or {}
        holds = [
            {"cause": hold.cause, "reason": hold.reason, "opened_at": hold.opened_at}
            for hold in list_holds(kept, model)
        ]
        decision = kept.fetch_one("page/decision", model=model)
        story = build_story(
            period,
            kept.fetch("page/error_days", **of_period),
            kept.fetch("page/expected_errors", **of_period),
            kept.fetch("page/bands", **of_period),
        )
        events = kept.fetch("page/events", **of_period, newest=MOST_EVENTS)
        checks = kept.fetch("page/newest_checks", model=model)
    return render_view(
        "model",
        visit,
        model,
        status=status,
        metric=status["metric"] or "error",
        period=period,
        presets=PRESETS,
        answer=find_answer(model, status, decision, under_way, holds),
        under_way=under_way,
        actions=offer_actions(status, under_way, bool(holds)) if visit.may_act else (),
        facts=list_facts(status),
        story=story,
        events=events,
        most_events=MOST_EVENTS,
        checks=checks,
    )


def render_view(template: str, visit: Visit, model: str, run_id: str | None = None, **values: Any) -> str:
    """The HTML of a view of a model, with what every view of a model has beside its own values."""
    return render(
        template,
        root=visit.root,
        here=f"{visit.root}/models/{model}",
        model=model,
        message=visit.message,
        links=find_links(visit.root, model, run_id),
        **values,
    )


def find_links(root: str, model: str, run_id: str | None = None) -> Mapping[str, str]:
    """Addresses of Airflow's own pages: the monitor of a model, and a run that retrains it, if there is one."""
    dags = f"{root.removesuffix(PREFIX)}/dags"
    run = f"{dags}/{name_dag('retrain', model)}/runs/{quote_part(run_id)}" if run_id else ""
    return {"monitor": f"{dags}/{name_dag('monitor', model)}", "run": run}


def list_facts(status: Row) -> Collection[Fact]:
    """The numbers below the sentence."""
    metric = (status["metric"] or "error").replace("_", " ")
    judged = f"accepted {format_number(status['accepted_error'])}, limit {format_number(status['error_limit'])}"
    error = format_number(status["error"]) if status["error"] is not None else "unknown"
    waits = "unknown" if status["median_hours"] is None else f"{status['median_hours']} h"
    since = status["days_without"]
    behind = "" if since is None else f"the newest labelled row is {since:.1f} days old"
    budget = status["budget"]
    serves = "nothing" if status["version"] is None else f"version {status['version']}"
    return (
        Fact(f"Typical day's {metric}", error, judged if status["accepted_error"] is not None else ""),
        Fact("Serves", serves, format_moment(status["promoted_at"], "")),
        Fact("Traffic", status["traffic"] or "none"),
        Fact("Half of the labels come within", waits, behind),
        Fact("Log complete, newest day", format_share(status["completeness"])),
        Fact(
            "Retrainings this week",
            NOTHING if budget is None else f"{status['spent']:g} of {budget:g}",
            "cost of budget",
        ),
    )
