"""The demo: the whole loop on real bike-sharing demand, by the replay that `cyclone replay` does for every model.

It only plays the world, and Airflow does everything else. In the end it looks up every claim.
"""

import contextlib
import os
import shutil
import time
from functools import partial
from pathlib import Path

from rich.console import Console

from cyclone.errors import PlatformError
from cyclone.image_contract import SPEC_FILE
from cyclone.names import name_dag
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.wording import count_of
from local_platform.airflow import AirflowPlace
from local_platform.airflow_client import AirflowClient
from local_platform.demo_claims import build_evidence_table, check_claims
from local_platform.demo_report import DemoComparison, build_table, draw_picture, predict_never_retrained
from local_platform.first_release import FIRST_RUN_ID, release_first_version
from local_platform.leftovers import sweep_data
from local_platform.platform import STOP_SECONDS, LocalPlatform, PlatformEvent, lock_state
from local_platform.platform_record import PlatformRecord, environment
from local_platform.postgres import PostgresHome
from local_platform.replay.history import read_rows
from local_platform.replay.place import DEMO_MARK, find_service_address, use_replay_clock
from local_platform.replay.run import ReplayRun
from local_platform.replay.traffic import Replay
from local_platform.webhooks import describe_webhook

MODEL = "bike_demand"
LEAST_PROMOTIONS = 2
"""How many versions an alarm must have brought into service for the demo to have turned, if it is long enough."""
DAYS_FOR_LEAST_PROMOTIONS = 60
"""A replay of fewer days needs only one promotion."""


def check_demo_model(settings: Settings) -> None:
    """Refuse to start without the demo's model. Errors: `PlatformError`, as outside a checkout of the repository."""
    if not (settings.models_dir / MODEL / SPEC_FILE).is_file():
        raise PlatformError(
            f"the demo's model {MODEL} is not in {settings.models_dir}. It comes with the repository, not with the"
            " wheel. Clone the repository and run `make demo` there"
        )


def prepare_demo(state_dir: Path) -> None:
    """Make room for a demo: remove what an earlier demo left, and nothing else.

    Errors: `PlatformError` when the platform runs, or when the folder holds what no demo made.
    """
    mark = state_dir / DEMO_MARK
    if os.access(state_dir, os.R_OK) and any(state_dir.iterdir()) and not mark.exists():
        raise PlatformError(
            f"{state_dir} holds a platform that no demo made, and a demo starts from nothing."
            " Name another folder with CYCLONE_WORK_DIR, or remove this one"
        )
    lock = lock_state(state_dir)
    killed = PlatformRecord.read(state_dir)
    if killed:
        killed.wait_until_ended(STOP_SECONDS)
    for path in [*state_dir.iterdir(), PostgresHome.choose(state_dir).data_dir]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (DEMO_MARK, "platform.json", "platform.lock"):
            path.unlink(missing_ok=True)
    sweep_data()
    mark.touch()
    lock.close()
    use_replay_clock()


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
        show_first_release(console, settings, spec, airflow)
        rows = read_rows(settings, spec)
        replay = Replay(spec, find_service_address(settings, spec))
        console.print(f"          Send it requests of your own meanwhile: {replay.address}", highlight=False)
        demo = ReplayRun(console, settings, spec, airflow, replay, rows)
        console.rule(f"{MODEL}: {days} days from {rows[0].created_at:%Y-%m-%d} as live requests, labels a day late")
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


def show_first_release(console: Console, settings: Settings, spec: ModelSpec, airflow: AirflowClient) -> None:
    """Have Airflow train, register and release the first version, from what is known before the replay."""
    began, dag_id = time.monotonic(), name_dag("retrain", spec.name)
    words = f"Airflow trains and releases the first version ({dag_id}, run {FIRST_RUN_ID})"
    with console.status(words) as shown:
        release_first_version(settings, spec, airflow, lambda step: shown.update(f"{words}: {step.name} is done"))
    console.print(f"{time.monotonic() - began:6.1f} s  the first version, trained before {spec.history_until}, serves")


def show_result(demo: ReplayRun, least_promotions: int, state_dir: Path, *, expects_less_error: bool) -> bool:
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


def count_recalibrations(demo: ReplayRun) -> int:
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
