"""The roll-back that an alert asks for. It takes back what served when the alert began, and nothing newer."""

from datetime import datetime, timedelta

from cyclone.alerts.judging import AlertResult
from cyclone.alerts.records import StoredAlert
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.returning import return_traffic

SETTLING = timedelta(minutes=30)
"""How long after a change of what serves an alert may still be about what served before.

A rule looks back over a window of some minutes, stays pending for some more, and fires again while its window has bad
minutes from before the change. Half an hour is more than these together. A second roll-back would hit a sound version.
"""


def return_for_alert(settings: Settings, spec: ModelSpec, alert: StoredAlert) -> tuple[AlertResult, str]:
    """Return to what served before, and tell what was done. Nothing is done if what serves has changed since the alert.

    So it can be repeated after a crash, and alerts of several rules or Grafanas about one fault roll back once.
    A change of the half hour before the alert counts as well.
    Errors: those of `return_traffic`.
    """
    changed = find_change_since(settings, Store(settings.store_dsn), alert)
    if changed is not None:
        return "wait", (
            f"what serves was changed at {changed:%Y-%m-%d %H:%M:%S}, after the alert had begun or less than"
            f" {SETTLING.seconds // 60} minutes before. Run `cyclone rollback {spec.name}` if it is still wrong"
        )
    because = f": {alert.because}" if alert.because else ""
    steps: list[str] = []
    return_traffic(settings, spec, alert.asked_by, f"by {alert.asked_by}{because}", on_step=steps.append)
    return "done", ". ".join(steps)


def find_change_since(settings: Settings, store: Store, alert: StoredAlert) -> datetime | None:
    """When what serves was changed since shortly before the alert began. None when it was not.

    The sender's clock may be wrong, so the alert began at the latest when it came. In a replay the alert's wall time
    says nothing. There, what counts is the event time at which it came.
    """
    row = store.fetch_one("alerts/served_since", model=alert.model)
    changed: datetime | None = row["at"] if row else None
    began = min(alert.started_at, alert.received_at) if settings.clock == "wall" else alert.at
    return changed if changed is not None and changed >= began - SETTLING else None
