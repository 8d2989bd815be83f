"""The demo: the whole loop on real bike-sharing demand. It only plays the world; Airflow does everything else."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cyclone.errors import PlatformError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.airflow import AirflowClient
from local_platform.replay import HistoryRow, Replay

MONITOR_DEADLINE_SECONDS = 180
LOG_DEADLINE_SECONDS = 60
PAUSE_SECONDS = 0.1
HOURS_A_SECOND_WHILE_RETRAINING = 6
"""Between an alarm and its answer the world goes on at this pace: canaries need traffic, and time to see it."""


@dataclass
class Demo:
    """One replay of history against a running platform."""

    console: Console
    settings: Settings
    spec: ModelSpec
    airflow: AirflowClient
    replay: Replay
    rows: list[HistoryRow]
    seconds_to_full_traffic: list[float] = field(default_factory=list)
    _events_shown: int = 0
    _alarm_at: float | None = None
    _monitor_run: str | None = None

    @property
    def store(self) -> Store:
        return Store(self.settings.store_dsn)

    def run(self, days: int) -> None:
        """Replay day after day; Airflow's monitor looks at each, and whatever it starts happens meanwhile.

        A retraining under way at the end of `days` is followed to its end, as long as the history lasts.
        """
        with build_progress(self.console) as progress:
            bar = progress.add_task("", total=days, day="", error="", split="")
            by_day = groupby(self.rows, key=lambda row: row.created_at.date())
            for number, (_, group) in enumerate(by_day):
                if number >= days and not self.is_retraining():
                    break
                day = list(group)
                self._replay_day(day)
                self._look_at(day[0].created_at)
                progress.update(bar, advance=1, total=max(days, number + 1), **self._describe(day))
                self._show_events()
            self._await_monitor()
            self._send_last_labels()
            self._show_events()

    def is_retraining(self) -> bool:
        return self.store.fetch_one("store/open_incident", model=self.spec.name) is not None

    def _replay_day(self, day: list[HistoryRow]) -> None:
        for row in day:
            self.replay.send(row)
            if self._alarm_at is not None:
                time.sleep(1 / HOURS_A_SECOND_WHILE_RETRAINING)
                self._show_events()
        wait_until(
            lambda: self._count_stored() >= len(self.replay.answers),
            LOG_DEADLINE_SECONDS,
            "the prediction log did not store every answered row",
        )

    def _look_at(self, moment: datetime) -> None:
        """Start the monitor for the day that has just ended; wait for it unless a retraining is under way."""
        start = moment.replace(hour=0)
        self._await_monitor()
        self._monitor_run = f"replay__{start:%Y-%m-%d}"
        self.airflow.trigger_dag_run(
            f"monitor__{self.spec.name}",
            run_id=self._monitor_run,
            logical_date=start,
            data_interval_start=start,
            data_interval_end=start + timedelta(days=1),
        )
        if self._alarm_at is None:
            self._await_monitor()
            self._alarm_at = time.monotonic() if self.is_retraining() else None

    def _await_monitor(self) -> None:
        if self._monitor_run is None:
            return
        dag_id = f"monitor__{self.spec.name}"
        run = self.airflow.wait_for_dag_run(dag_id, self._monitor_run, MONITOR_DEADLINE_SECONDS)
        if run["state"] != "success":
            raise PlatformError(f"{dag_id} {self._monitor_run} ended as {run['state']}; see its logs in Airflow")

    def _send_last_labels(self) -> None:
        delay = timedelta(hours=self.spec.label.expected_delay_hours)
        self.replay.send_labels(self.replay.answers[-1].row.created_at + delay)

    def _show_events(self) -> None:
        """Print what happened since the last look; note how long an alarm took to full traffic."""
        events = self.store.fetch("store/timeline", model=self.spec.name)
        for event in events[self._events_shown :]:
            self.console.print(format_event(event["at"], event["event"], event["subject"], event["detail"]))
            if event["event"] == "promoted" and self._alarm_at is not None:
                self.seconds_to_full_traffic.append(time.monotonic() - self._alarm_at)
        self._events_shown = len(events)
        if self._alarm_at is not None and not self.is_retraining():
            self._alarm_at = None

    def _describe(self, day: list[HistoryRow]) -> dict[str, str]:
        shares = self.store.fetch("store/traffic", model=self.spec.name)
        return {
            "day": f"{day[0].created_at:%Y-%m-%d}",
            "error": f"{self.replay.recent_error():5.1f}",
            "split": " ".join(f"v{share['version']} {share['traffic_percent']}%" for share in shares),
        }

    def _count_stored(self) -> int:
        row = self.store.fetch_one("store/log_count", model=self.spec.name)
        return int(row["stored"]) if row else 0


def build_progress(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.fields[day]}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("days   error over 7 days [bold]{task.fields[error]}[/bold]   {task.fields[split]}"),
        TimeElapsedColumn(),
        console=console,
    )


def format_event(at: datetime, event: str, subject: int, detail: str | None) -> str:
    marks = {
        "incident opened": ("yellow", "incident {} opened"),
        "candidate": ("cyan", "version {} deployed at 0 %"),
        "promoted": ("green", "version {} has all traffic"),
        "rolled back": ("red", "version {} rolled back"),
        "incident closed": ("dim", "incident {} closed"),
    }
    colour, text = marks[event]
    return f"{at:%Y-%m-%d %H:%M}  [{colour}]{text.format(subject)}[/{colour}]  {detail or ''}"


def wait_until(condition: Callable[[], bool], deadline_seconds: float, failure: str) -> None:
    """Return once `condition()` holds. Errors: `PlatformError` with `failure` when time is up."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise PlatformError(f"{failure} within {deadline_seconds:g} s")
        time.sleep(PAUSE_SECONDS)
