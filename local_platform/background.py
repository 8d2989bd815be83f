"""The local platform as a process of its own, which outlives the command that started it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from cyclone.errors import PlatformError
from cyclone.places import find_home
from local_platform.platform import READY_SECONDS, STOP_SECONDS, lock_state
from local_platform.platform_record import PlatformRecord

# The pause between two looks at the platform in the background. A person waits for it, so it is short.
_POLL_SECONDS = 0.1


def start_in_background(
    state_dir: Path, on_ready: Callable[[str, str], None] = lambda part, address: None
) -> PlatformRecord:
    """Start the platform and return its record when all parts are ready. Its log is in the state directory.

    `on_ready` is called with each part and its address. Errors: `PlatformError` when it runs already or does not start.
    """
    state_dir = state_dir.resolve()
    lock_state(state_dir).close()  # refused here in words, when a platform runs or the folder cannot be written to
    log_path = state_dir / "logs" / "platform.log"
    log_path.parent.mkdir(exist_ok=True)
    with log_path.open("wb") as log:
        owner = subprocess.Popen(
            [sys.executable, "-m", "local_platform.platform", "--state-dir", str(state_dir)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=find_home(),
            start_new_session=True,  # Ctrl-C in this terminal is not meant for it
        )
    try:
        return _wait_until_ready(state_dir, owner, log_path, on_ready)
    except BaseException:
        owner.terminate()
        owner.wait(STOP_SECONDS)
        raise


def stop(state_dir: Path) -> bool:
    """Stop the platform of `state_dir`, whoever owns it. False when none runs.

    Errors: `PlatformError` naming every part that still runs.
    """
    record = PlatformRecord.read(state_dir.resolve())
    if record is None:
        return False
    was_running = bool(record.list_running())
    owner = record.owner.find()
    if owner:
        was_running = True
        _end_owner(owner, record)
    record.wait_until_ended(STOP_SECONDS)
    record.remove()
    return was_running


def _end_owner(owner: psutil.Process, record: PlatformRecord) -> None:
    owner.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while record.owner.find():
        if time.monotonic() > deadline:
            raise PlatformError(f"the platform's owner (pid {owner.pid}) did not end within {STOP_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)


def _wait_until_ready(
    state_dir: Path, owner: "subprocess.Popen[bytes]", log_path: Path, on_ready: Callable[[str, str], None]
) -> PlatformRecord:
    deadline = time.monotonic() + 2 * READY_SECONDS
    told: set[str] = set()
    while owner.poll() is None and time.monotonic() < deadline:
        record = PlatformRecord.read(state_dir)
        if record and record.owner.pid == owner.pid:
            for name, part in record.parts.items():
                if part.ready_at and name not in told:
                    told.add(name)
                    on_ready(name, part.address)
            if record.ready_at:
                return record
        time.sleep(_POLL_SECONDS)
    raise PlatformError(f"the local platform did not start:\n{log_path.read_text(errors='replace').strip()}")
