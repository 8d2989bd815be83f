"""One replay of a model's history against a running platform, day after day. Airflow does everything else."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from rich.console import Console

from cyclone.errors import PlatformError
from cyclone.names import name_dag
from cyclone.policy.incidents import find_open_incident
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from cyclone.times import DAY, HOUR, floor_day
from local_platform.airflow_client import AirflowClient
from local_platform.replay.events import format_error, format_event
from local_platform.replay.progress import ReplayProgress
from local_platform.replay.traffic import HistoryRow, Replay

MONITOR_DEADLINE_SECONDS = 180
"""The time that a run of the monitor may take. The value is a choice."""
LOG_DEADLINE_SECONDS = 60
"""The time that answered rows may take to be in the store. The value is a choice."""
PAUSE_SECONDS = 0.1
"""The pause between two looks at what the replay waits for. The value is a choice."""
LOOK_SECONDS = 1.0
"""The most seconds between two looks at what a retraining does. The value is a choice."""
HOURS_A_SECOND_WHILE_TRAINING = 1
"""Replayed hours a second between an alarm and its answer. The world goes on slowly, for a training takes minutes."""
HOURS_A_SECOND_IN_CANARY = 6
"""Replayed hours a second during a canary, which is judged by the requests it answers and so waits for the world."""
LONGEST_GAP, LONGEST_GAP_IN_CANARY = DAY, HOUR
"""The most event time between two rows that a pause stands for. A history may have a row a month.

It is shorter in a canary, which waits for rows and for nothing else.
"""


@dataclass
class ReplayRun:
    """One replay of history against a running platform.

    `speed` is the most replayed hours a second. None lets the world go as fast as it is answered, and slowly while a
    retraining runs.
    """

    console: Console
    settings: Settings
    spec: ModelSpec
    airflow: AirflowClient
    replay: Replay
    rows: list[HistoryRow]
    speed: float | None = None
    seconds_to_full_traffic: list[float] = field(default_factory=list)
    _events_shown: set[tuple[str, int | None, datetime]] = field(default_factory=set)
    _alarm_at: float | None = None
    _monitor_run: str | None = None
    _present: datetime | None = None

    @property
    def store(self) -> Store:
        return Store(self.settings.store_dsn)

    def go_on(self, position: datetime, before: list[HistoryRow]) -> None:
        """Take an interrupted replay up: rows `before` the position wait for their labels, and what was shown is.

        The rows of the position itself are sent again. A row that is stored already is a repeat.
        """
        self.replay.expect_labels(before)
        self.rows = [row for row in self.rows if row.created_at >= position]
        events = self.store.fetch("lineage/timeline", model=self.spec.name)
        self._events_shown = {(event["event"], event["subject"], event["at"]) for event in events}
        self._alarm_at = time.monotonic() if self.is_retraining() else None

    def run(self, days: int | None = None, until_release: bool = False) -> None:
        """Replay day after day. Airflow's monitor looks at each day, and whatever it starts happens meanwhile.

        The replay ends after `days` days, or with the last row. With `until_release` it ends with the first version
        that an alarm brought into service, if that comes earlier. A retraining that is under way then is followed to
        its end, as long as the history lasts.
        """
        by_day = [(day, list(group)) for day, group in groupby(self.rows, key=lambda row: row.created_at.date())]
        days = len(by_day) if days is None else days
        progress = ReplayProgress(self.console, days)
        with progress.shown():
            for number, (day, rows) in enumerate(by_day):
                is_released = until_release and bool(self.seconds_to_full_traffic)
                if (number >= days or is_released) and not self.is_retraining():
                    break
                self._replay_day(rows, progress)
                self._look_at(rows[0].created_at)
                progress.end_day(f"{day:%Y-%m-%d}", format_error(self.replay.recent_error()), self._describe_split())
                self._show_events()
            self._await_monitor()
            self.replay.send_last_labels()
            self._show_events()

    def is_retraining(self) -> bool:
        """Whether an incident is open."""
        return find_open_incident(self.store, self.spec.name) is not None

    def _replay_day(self, day: list[HistoryRow], progress: ReplayProgress) -> None:
        for row in day:
            progress.tick()
            self._pause(row.created_at - (self._present or row.created_at))
            self.replay.send(row)
            self._present = row.created_at
        self._await_log(day)

    def _pause(self, gap: timedelta) -> None:
        """Let the event time between two rows pass."""
        began = time.monotonic()
        if self._alarm_at is not None:
            self._show_events()
        while (left := began + self._choose_seconds(gap) - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
            self._show_events()

    def _choose_seconds(self, gap: timedelta) -> float:
        """How long the event time between two rows takes. It changes when a training becomes a canary, or ends."""
        if self.speed is not None:
            return min(gap, LONGEST_GAP) / HOUR / self.speed
        if self._alarm_at is None:
            return 0
        states = {share["state"] for share in self.store.fetch("release/traffic", model=self.spec.name)}
        if "canary" in states:
            return min(gap, LONGEST_GAP_IN_CANARY) / HOUR / HOURS_A_SECOND_IN_CANARY
        return min(gap, LONGEST_GAP) / HOUR / HOURS_A_SECOND_WHILE_TRAINING

    def _await_log(self, day: list[HistoryRow]) -> None:
        """Wait until the answered rows of a day are in the log, so that the monitor sees all of it."""
        sent = {row.prediction_id for row in day}
        answers = self.replay.answers[-len(day) :]
        ids = [answer.row.prediction_id for answer in answers if answer.row.prediction_id in sent]

        def are_stored() -> bool:
            row = self.store.fetch_one("log/stored_of", model=self.spec.name, ids=ids)
            return row is not None and row["stored"] >= len(ids)

        wait_until(are_stored, LOG_DEADLINE_SECONDS, "the prediction log did not store every answered row")

    def _look_at(self, moment: datetime) -> None:
        """Start the monitor for the day that has just ended. Wait for it, unless a retraining is under way."""
        start = floor_day(moment)
        self._await_monitor()
        self._monitor_run = self._start_monitor(start)
        if self._alarm_at is None:
            self._await_monitor()
            self._alarm_at = time.monotonic() if self.is_retraining() else None

    def _start_monitor(self, start: datetime) -> str:
        """The id of the monitor's run on a day. A day whose run failed before the replay went on gets another run."""
        run_id = f"replay__{start:%Y-%m-%d}"
        # Without a logical date, for Airflow starts no task whose date lies outside of the DAG's own dates.
        interval = {"interval_start": start.isoformat(), "interval_end": (start + DAY).isoformat()}
        dag_id = name_dag("monitor", self.spec.name)
        while self.airflow.trigger_dag_run(dag_id, run_id, conf=interval)["state"] == "failed":
            run_id += "__again"
        return run_id

    def _await_monitor(self) -> None:
        if self._monitor_run is None:
            return
        dag_id = name_dag("monitor", self.spec.name)
        run = self.airflow.wait_for_dag_run(dag_id, self._monitor_run, MONITOR_DEADLINE_SECONDS)
        if run["state"] != "success":
            raise PlatformError(f"{dag_id} {self._monitor_run} ended as {run['state']}. Its logs are in Airflow")
        self._monitor_run = None

    def _show_events(self) -> None:
        """Print what happened since the last look. Note the seconds that an alarm took to full traffic."""
        events = self.store.fetch("lineage/timeline", model=self.spec.name)
        for event in events:
            key = event["event"], event["subject"], event["at"]
            if key in self._events_shown:
                continue
            self._events_shown.add(key)
            told = format_event(event["at"], event["event"], event["subject"], event["detail"])
            self.console.print(told, soft_wrap=True)
            if event["event"] == "promoted" and self._alarm_at is not None:
                self.seconds_to_full_traffic.append(time.monotonic() - self._alarm_at)
        if self._alarm_at is not None and not self.is_retraining():
            self._alarm_at = None

    def _describe_split(self) -> str:
        shares = self.store.fetch("release/traffic", model=self.spec.name)
        return " ".join(f"v{share['version']} {share['traffic_percent']}%" for share in shares)


def wait_until(condition: Callable[[], bool], deadline_seconds: float, failure: str) -> None:
    """Return once `condition()` holds. Errors: `PlatformError` with `failure` when time is up."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise PlatformError(f"{failure} within {deadline_seconds:g} s")
        time.sleep(PAUSE_SECONDS)
