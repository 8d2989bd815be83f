"""The platform that a replay runs on. Its clock is that of the replay: the present is the newest replayed row."""

import os
from pathlib import Path

from rich.console import Console

from cyclone.errors import PlatformError
from cyclone.image_contract import CLOCK_VARIABLE
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Store
from local_platform.background import start_in_background, stop
from local_platform.platform_record import (
    START_COMMAND,
    STOP_COMMAND,
    PlatformRecord,
    environment,
    forget_running_platform,
)

REPLAY_MARK = "replay"
"""The name of a file that marks a state directory as that of a replay. Its platform starts with the replay's clock."""
DEMO_MARK = "demo"
"""The name of a file that marks a state directory as made by a demo. The next demo may remove such a directory."""


def is_of_replay(state_dir: Path) -> bool:
    """Whether the state directory was made by a demo or by a replay, so that its clock stays in the past."""
    return any((state_dir / mark).exists() for mark in (DEMO_MARK, REPLAY_MARK))


def use_replay_clock() -> None:
    """Let this process and all that it starts live in a replay.

    The present is the newest logged event, and a monitor run covers a day.
    """
    os.environ[CLOCK_VARIABLE] = "replay"
    os.environ["CYCLONE_MONITOR_SCHEDULE"] = "0 0 * * *"


def find_platform(state_dir: Path) -> PlatformRecord:
    """The platform that runs here and is ready. Errors: `PlatformError` that says how to start one."""
    record = PlatformRecord.read(state_dir.resolve())
    if record is None or record.owner.find() is None:
        raise PlatformError(f"nothing runs in {state_dir}. `{START_COMMAND}` starts the platform")
    if record.ready_at is None:
        raise PlatformError(f"the platform of {state_dir} is still starting. Wait until `{START_COMMAND}` says Ready")
    return record


def enter_replay(console: Console, state_dir: Path) -> PlatformRecord:
    """The platform of a replay: the one that runs, or one that is started now and stays up.

    A platform that lives in the present, and has released nothing yet, starts again in the past of the replay.
    Errors: `PlatformError` when the platform has released a model in the present.
    """
    state_dir = state_dir.resolve()
    record = PlatformRecord.read(state_dir)
    is_running = record is not None and record.owner.find() is not None
    if record is not None and is_running:
        record = find_platform(state_dir)
        if record.clock == "replay":
            return record
        refuse_if_released(record)
        console.print("The platform lives in the present. It starts again in the past of the replay.", style="dim")
        forget_running_platform()
        stop(state_dir)
    was_of_replay = is_of_replay(state_dir)
    use_replay_clock()
    console.print(f"Starting a platform whose clock is that of the replay, in {state_dir}.", style="dim")
    record = start_in_background(state_dir, lambda part, address: console.print(f"  {part:14} {address}"))
    if not was_of_replay:
        try:
            refuse_if_released(record)
        except PlatformError:
            stop(state_dir)
            raise
        (state_dir / REPLAY_MARK).touch()
    os.environ.update(environment(record))
    return record


def refuse_if_released(record: PlatformRecord) -> None:
    """Refuse a replay where a model was released by the wall's clock, which no replay of the past could judge.

    Errors: `PlatformError` naming the models and what to do.
    """
    released = [row["model"] for row in Store(record.store_dsn).fetch("release/recorded")]
    if released:
        raise PlatformError(
            f"the platform of {record.state_dir} lives in the present, and has released {', '.join(released)} there. A"
            f" replay needs a platform of its own: `{STOP_COMMAND}`, then give the command again with another folder"
            " in CYCLONE_WORK_DIR"
        )


def find_service_address(settings: Settings, spec: ModelSpec) -> str:
    """Where the service of a model answers. Errors: `PlatformError` when Cloud Run has none."""
    from releasing.cloud_run import CloudRun

    service = CloudRun(settings).read_service(spec.service_name)
    if service is None:
        raise PlatformError(
            f"Cloud Run has no service {spec.service_name}. `cyclone train {spec.name}` makes its first version"
        )
    return service.address
