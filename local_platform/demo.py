"""The demo: the whole loop on real bike-sharing demand. It only plays the world, and Airflow does everything else."""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cyclone.errors import PlatformError
from cyclone.image_contract import SPEC_FILE
from cyclone.names import name_dag
from cyclone.policy.incidents import find_open_incident
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from cyclone.times import DAY, floor_day
from cyclone.wording import count_of
from local_platform.airflow import AirflowClient, AirflowPlace
from local_platform.demo_claims import FIRST_RUN_ID, build_evidence_table, check_claims
from local_platform.demo_report import DemoComparison, build_table, draw_picture, predict_never_retrained
from local_platform.demo_traffic import HistoryRow, Replay
from local_platform.platform import LocalPlatform, PlatformEvent
from local_platform.platform_record import environment
from local_platform.webhooks import describe_webhook
from releasing.cloud_run import CloudRun
from training.data.history import load_history, parse_time, read_history

MODEL = "bike_demand"
FIRST_RELEASE_DEADLINE_SECONDS = 600
"""The time that the first training and release may take. The value is a choice."""
DAG_DEADLINE_SECONDS = 240
"""How long Airflow may take to know the DAGs. A slow machine takes minutes."""
LEAST_PROMOTIONS = 2
"""How many versions an alarm must have brought into service for the demo to have turned, if it is long enough."""
DAYS_FOR_LEAST_PROMOTIONS = 60
"""A replay of fewer days needs only one promotion."""
MONITOR_DEADLINE_SECONDS = 180
"""The time that a run of the monitor may take. The value is a choice."""
LOG_DEADLINE_SECONDS = 60
"""The time that answered rows may take to be in the store. The value is a choice."""
PAUSE_SECONDS = 0.1
"""The pause between two looks at what the demo waits for. The value is a choice."""
HOURS_A_SECOND_WHILE_TRAINING = 1
"""Replayed hours a second between an alarm and its answer. The world goes on slowly, for a training takes minutes."""
HOURS_A_SECOND_IN_CANARY = 6
"""Replayed hours a second during a canary, which is judged by the requests it answers and so waits for the world."""


def check_demo_model(settings: Settings) -> None:
    """Refuse to start without the demo's model. Errors: `PlatformError`, as outside a checkout of the repository."""
    if not (settings.models_dir / MODEL / SPEC_FILE).is_file():
        raise PlatformError(
            f"the demo's model {MODEL} is not in {settings.models_dir}. It comes with the repository, not with the"
            " wheel. Clone the repository and run `make demo` there"
        )


def run_demo(console: Console, state_dir: Path, days: int, keep: bool, until_release: bool = False) -> bool:
    """Start the platform, turn the loop, and show what it did. True when every promise of the demo held.

    The replay takes `days` days. With `until_release` it ends earlier, with the first version that an alarm brought
    into service. Everything is stopped at the end.
    """
    console.rule("Cyclone: one machine, the whole loop")
    with LocalPlatform(state_dir, partial(show_part, console)) as platform:
        os.environ.update(environment(platform.record))
        settings = read_settings()
        spec = find_model(settings.models_dir, MODEL)
        airflow = AirflowClient(platform.record.airflow.address)
        history = list(read_history(spec, settings.models_dir / MODEL))
        load_history(Store(settings.store_dsn), spec, settings.models_dir / MODEL)
        release_first_version(console, spec, airflow)
        until = parse_time(spec.history_until or "")
        rows = [HistoryRow(**row) for row in history if row["created_at"] >= until]
        service = CloudRun(settings).read_service(spec.service_name)
        if service is None:
            raise PlatformError(f"Cloud Run has no service {spec.service_name} after the first release")
        console.print(f"          Send it requests of your own meanwhile: {service.address}", highlight=False)
        replay = Replay(spec, service.address)
        demo = Demo(console, settings, spec, airflow, replay, rows)
        console.rule(f"{MODEL}: {days} days from {until:%Y-%m-%d} as live requests, labels a day late")
        demo.run(days, until_release)
        least = LEAST_PROMOTIONS if days >= DAYS_FOR_LEAST_PROMOTIONS and not until_release else 1
        has_turned = show_result(demo, least, state_dir, expects_less_error=not until_release)
        if keep:
            wait_for_interrupt(console, settings, platform.record.airflow, replay.address)
        console.print("Stopping everything.", style="dim")
    return has_turned


def show_part(console: Console, event: PlatformEvent) -> None:
    """Print a part of the platform that has become ready."""
    if event.state == "ready":
        console.print(f"{event.seconds:6.1f} s  {event.part:14} {event.address}")


def release_first_version(console: Console, spec: ModelSpec, airflow: AirflowClient) -> None:
    """Have Airflow train, register and release the first version, from what is known before the replay."""
    for kind in ("monitor", "retrain"):
        airflow.wait_until_dag_known(f"{kind}__{spec.name}", DAG_DEADLINE_SECONDS)
    began = time.monotonic()
    dag_id = name_dag("retrain", spec.name)
    airflow.trigger_dag_run(dag_id, FIRST_RUN_ID)
    with console.status(f"Airflow trains and releases the first version ({dag_id}, run {FIRST_RUN_ID})"):
        run = airflow.wait_for_dag_run(dag_id, FIRST_RUN_ID, FIRST_RELEASE_DEADLINE_SECONDS)
    if run["state"] != "success":
        raise PlatformError(
            f"the first release ended as {run['state']}. The tasks' logs are in airflow/logs of the state directory"
        )
    console.print(f"{time.monotonic() - began:6.1f} s  the first version, trained before {spec.history_until}, serves")


def show_result(demo: "Demo", least_promotions: int, state_dir: Path, *, expects_less_error: bool) -> bool:
    """Print the closing tables, draw the picture, and look up every claim. True when all hold.

    A lower error than the fixed model's is only expected where the new versions had days to serve.
    """
    console, spec, replay = demo.console, demo.spec, demo.replay
    comparison = DemoComparison(replay.answers, predict_never_retrained(spec, replay.answers))
    evidence = check_claims(demo.settings, spec, demo.airflow, replay, least_promotions)
    fixed, ours = comparison.errors()
    if expects_less_error and ours >= fixed:
        evidence.problems.append(f"Cyclone's error {ours:.1f} is not below the fixed model's {fixed:.1f}")
    console.print(build_evidence_table(evidence), build_table(comparison))
    picture = state_dir / "demo.png"
    draw_picture(comparison, [(row["promoted_at"], row["version"]) for row in evidence.promoted], picture)
    seconds = ", ".join(f"{took:.0f} s" for took in demo.seconds_to_full_traffic) or "none"
    console.print(
        f"{replay.request_count:,} requests, {len(replay.failures)} failed. {len(replay.answers):,} rows answered.\n"
        f"{count_of(len(evidence.automatic), 'incident')}, {count_of(len(evidence.promoted), 'promotion')} and"
        f" {count_of(count_recalibrations(demo), 'recalibration')} released."
        f" From alarm to all traffic: {seconds}.\nPicture: {picture}\n"
        "Grafana: `make up`, and docs/grafana.md connects yours to this store in five steps.",
        highlight=False,
    )
    for problem in evidence.problems:
        console.print(f"[red]not as promised:[/red] {problem}", highlight=False)
    return not evidence.problems


def count_recalibrations(demo: "Demo") -> int:
    """How many calibrations were released, by the timeline of the model."""
    events = demo.store.fetch("lineage/timeline", model=demo.spec.name)
    return sum(event["event"] == "recalibrated" for event in events)


def wait_for_interrupt(console: Console, settings: Settings, airflow: AirflowPlace, service: str) -> None:
    """Print where everything is, and return at Ctrl-C."""
    addresses = {
        "Airflow": airflow.address,
        "MLflow": settings.mlflow_uri,
        "alerts of Grafana": describe_webhook(airflow),
        "the model's service": service,
    }
    for name, address in addresses.items():
        console.print(f"{name:20} {address}", soft_wrap=True)
    console.print("Everything stays up until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


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
    _events_shown: set[tuple[str, int]] = field(default_factory=set)
    _alarm_at: float | None = None
    _monitor_run: str | None = None

    @property
    def store(self) -> Store:
        return Store(self.settings.store_dsn)

    def run(self, days: int, until_release: bool = False) -> None:
        """Replay day after day. Airflow's monitor looks at each day, and whatever it starts happens meanwhile.

        The replay ends after `days` days. With `until_release` it ends with the first version that an alarm brought
        into service, if that comes earlier. A retraining that is under way then is followed to its end, as long as the
        history lasts.
        """
        with build_progress(self.console) as progress:
            bar = progress.add_task("", total=days, day="", error="", split="")
            by_day = groupby(self.rows, key=lambda row: row.created_at.date())
            for number, (_, group) in enumerate(by_day):
                is_released = until_release and bool(self.seconds_to_full_traffic)
                if (number >= days or is_released) and not self.is_retraining():
                    break
                day = list(group)
                self._replay_day(day)
                self._look_at(day[0].created_at)
                progress.update(
                    bar,
                    advance=1,
                    total=max(days, number + 1),
                    day=f"{day[0].created_at:%Y-%m-%d}",
                    error=f"{self.replay.recent_error():5.1f}",
                    split=self._describe_split(),
                )
                self._show_events()
            self._await_monitor()
            self._send_last_labels()
            self._show_events()

    def is_retraining(self) -> bool:
        """Whether an incident is open."""
        return find_open_incident(self.store, self.spec.name) is not None

    def _replay_day(self, day: list[HistoryRow]) -> None:
        for row in day:
            self.replay.send(row)
            if self._alarm_at is not None:
                time.sleep(1 / self._choose_pace())
                self._show_events()
        wait_until(
            lambda: self._count_stored() >= len(self.replay.answers),
            LOG_DEADLINE_SECONDS,
            "the prediction log did not store every answered row",
        )

    def _choose_pace(self) -> int:
        states = {share["state"] for share in self.store.fetch("release/traffic", model=self.spec.name)}
        return HOURS_A_SECOND_IN_CANARY if "canary" in states else HOURS_A_SECOND_WHILE_TRAINING

    def _look_at(self, moment: datetime) -> None:
        """Start the monitor for the day that has just ended. Wait for it, unless a retraining is under way."""
        start = floor_day(moment)
        self._await_monitor()
        self._monitor_run = f"replay__{start:%Y-%m-%d}"
        self.airflow.trigger_dag_run(
            name_dag("monitor", self.spec.name),
            run_id=self._monitor_run,
            logical_date=start + timedelta(days=1, minutes=1),  # never that of a backfill's run, which is the day's end
            data_interval_start=start,
            data_interval_end=start + DAY,
        )
        if self._alarm_at is None:
            self._await_monitor()
            self._alarm_at = time.monotonic() if self.is_retraining() else None

    def _await_monitor(self) -> None:
        if self._monitor_run is None:
            return
        dag_id = name_dag("monitor", self.spec.name)
        run = self.airflow.wait_for_dag_run(dag_id, self._monitor_run, MONITOR_DEADLINE_SECONDS)
        if run["state"] != "success":
            raise PlatformError(f"{dag_id} {self._monitor_run} ended as {run['state']}. Its logs are in Airflow")

    def _send_last_labels(self) -> None:
        delay = timedelta(hours=self.spec.label.expected_delay_hours)
        self.replay.send_labels(self.replay.answers[-1].row.created_at + delay)

    def _show_events(self) -> None:
        """Print what happened since the last look. Note the seconds that an alarm took to full traffic."""
        events = self.store.fetch("lineage/timeline", model=self.spec.name)
        for event in events:
            if (event["event"], event["subject"]) in self._events_shown:
                continue
            self._events_shown.add((event["event"], event["subject"]))
            self.console.print(format_event(event["at"], event["event"], event["subject"], event["detail"]))
            if event["event"] == "promoted" and self._alarm_at is not None:
                self.seconds_to_full_traffic.append(time.monotonic() - self._alarm_at)
        if self._alarm_at is not None and not self.is_retraining():
            self._alarm_at = None

    def _describe_split(self) -> str:
        shares = self.store.fetch("release/traffic", model=self.spec.name)
        return " ".join(f"v{share['version']} {share['traffic_percent']}%" for share in shares)

    def _count_stored(self) -> int:
        row = self.store.fetch_one("log/count", model=self.spec.name)
        return int(row["stored"]) if row else 0


def build_progress(console: Console) -> Progress:
    """The line that shows the replayed day, the error of the last seven days, and the traffic of each version."""
    return Progress(
        TextColumn("[bold]{task.fields[day]}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("days   error over 7 days [bold]{task.fields[error]}[/bold]   {task.fields[split]}"),
        TimeElapsedColumn(),
        console=console,
    )


def format_event(at: datetime, event: str, subject: int, detail: str | None) -> str:
    """An event of the timeline as one coloured line."""
    marks = {
        "incident opened": ("yellow", "incident {} opened"),
        "candidate": ("cyan", "version {} deployed at 0 %"),
        "promoted": ("green", "version {} has all traffic"),
        "rolled back": ("red", "version {} rolled back"),
        "incident closed": ("dim", "incident {} closed"),
        "asked for": ("dim", "a retraining is asked for"),
        "alert": ("yellow", "alert {}"),
        "recalibrated": ("cyan", "calibration {}"),
        "calibration withdrawn": ("red", "calibration {} withdrawn"),
        "deployed again": ("dim", "deployed again, as calibration {}"),
        "hold": ("red", "held: a person must look"),
        "hold ended": ("green", "a hold has ended"),
        "reconciled": ("cyan", "what serves was set right"),
        "retired": ("dim", "retired with version {}"),
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
