"""Guarded processes against real processes: their whole point is what the kernel does."""

import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cyclone.errors import PlatformError
from local_platform.addresses import claim_ports
from local_platform.processes import GuardedProcess, free_port, wait_until_ready

REPOSITORY = Path(__file__).parents[3]
SLEEP = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEADLINE_SECONDS = 20.0

Start = Callable[..., GuardedProcess]

DOUBLE_FORK = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():
    time.sleep(0.01)
if sys.argv[2] == "stay":
    time.sleep(600)
"""

OWNER = """
import sys, time
from pathlib import Path
from local_platform.processes import GuardedProcess
processes = [
    GuardedProcess.start(f"sleeper-{n}", sys.argv[2:], None, Path(sys.argv[1]) / f"{n}.log") for n in range(2)
]
print(*[process.pid for process in processes], flush=True)
time.sleep(600)
"""


def wait_for(is_met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_met():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def read_pid(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


def wait_for_log(process: GuardedProcess, text: str) -> None:
    wait_for(lambda: text in process.read_log_end())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[GuardedProcess] = []

    def start_process(argv: list[str], **options: object) -> GuardedProcess:
        process = GuardedProcess.start("sample", argv, None, tmp_path / "logs" / "sample.log", **options)  # type: ignore[arg-type]
        started.append(process)
        return process

    yield start_process
    for process in started:
        process.stop()


def test_nothing_is_left_when_the_owner_is_killed_with_9(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), *SLEEP],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    with owner:
        assert owner.stdout
        guards = [int(pid) for pid in owner.stdout.readline().split()]
        for number in range(2):
            wait_for(lambda number=number: "up" in (tmp_path / f"{number}.log").read_text())  # type: ignore[misc]
        family = [child.pid for guard in guards for child in psutil.Process(guard).children(recursive=True)]
        assert len(family) == 2
        owner.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in guards + family))


@pytest.mark.parametrize("main_process", ["stay", "leave"])
def test_a_daemonised_grandchild_ends_with_its_program(start: Start, tmp_path: Path, main_process: str) -> None:
    process = start([sys.executable, "-S", "-c", DOUBLE_FORK, str(tmp_path / "pid"), main_process])
    daemon = read_pid(tmp_path / "pid")
    if main_process == "stay":
        assert is_alive(daemon)
        assert process.stop() == 128 + signal.SIGTERM
    else:
        assert process.wait(DEADLINE_SECONDS) == 0
    assert not is_alive(daemon)


def test_stopping_twice_is_harmless(start: Start) -> None:
    process = start(SLEEP)
    wait_for_log(process, "up")
    assert process.is_running
    assert [process.stop(), process.stop(), process.poll()] == [143, 143, 143]
    assert not process.is_running
    assert process.program_pid is None


def test_the_exit_code_passes_through(start: Start) -> None:
    assert start([sys.executable, "-S", "-c", "raise SystemExit(3)"]).wait(DEADLINE_SECONDS) == 3


def test_a_command_that_does_not_exist_is_named_in_the_log(start: Start) -> None:
    process = start(["/no/such/program"])
    assert process.wait(DEADLINE_SECONDS) == 127
    assert process.read_log_end() == "guard: cannot start /no/such/program: No such file or directory"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process shares")
def test_what_takes_more_memory_than_allowed_is_killed_with_its_descendants(start: Start) -> None:
    fork = "import os, time; child = os.fork(); held = b'' if child else b'x' * (100 << 20); time.sleep(600)"
    process = start([sys.executable, "-S", "-c", fork], memory_bytes=50 << 20)
    assert process.wait(DEADLINE_SECONDS) == 128 + signal.SIGKILL
    told = re.fullmatch(r"guard: killed, (\d+) MiB are over the limit of 50 MiB", process.read_log_end())
    assert told is not None, process.read_log_end()
    assert int(told[1]) > 50  # whatever it had reached when it was seen


def test_the_chosen_signal_is_sent_and_the_program_may_end_in_its_own_way(
    start: Start,
) -> None:
    code = "import signal, time; signal.signal(2, lambda *_: exit(7)); print('up', flush=True); time.sleep(600)"
    process = start([sys.executable, "-c", code], stop_signal="INT")
    wait_for_log(process, "up")
    assert process.stop() == 7


def test_a_program_that_ignores_the_signal_is_killed_after_the_grace(start: Start) -> None:
    code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
    process = start([sys.executable, "-S", "-c", code], grace_seconds=0.1)
    wait_for_log(process, "up")
    assert process.stop() == 128 + signal.SIGKILL


def test_a_signal_to_the_guard_stops_the_program(start: Start) -> None:
    process = start(SLEEP)
    wait_for_log(process, "up")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(DEADLINE_SECONDS) == 143


def test_the_program_ends_even_when_its_guard_is_killed_with_9(start: Start) -> None:
    process = start(SLEEP)
    wait_for_log(process, "up")
    program = process.program_pid
    assert program is not None
    assert psutil.Process(program).cmdline() == SLEEP
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(program))


@pytest.mark.parametrize("arguments", [["--grace", "soon", "--", "ls"], ["--stop-signal", "KILL", "--", "ls"], []])
def test_the_guard_refuses_arguments_it_does_not_know(arguments: list[str]) -> None:
    guard = [sys.executable, "-I", "-S", str(REPOSITORY / "local_platform" / "guard.py")]
    answer = subprocess.run([*guard, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (answer.returncode, answer.stderr.split(":")[0]) == (1, "guard")


def test_a_free_port_is_the_preferred_one_unless_it_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in (0, port)
    assert free_port(port) == port


ASK_FOR_PORTS = """
import random, sys, time
from local_platform.processes import free_port
print("ready", flush=True)
sys.stdin.readline()
random.seed(7)  # the worst case: all choose in the same order
print(*(free_port(0) for _ in range(20)), flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that go with their process")
def test_processes_that_ask_at_once_get_different_ports_though_nothing_listens_yet() -> None:
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK_FOR_PORTS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        for _ in range(3)
    ]
    ports = []
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in asking:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in asking:
        assert process.stdout is not None
        ports += process.stdout.readline().split()
    for process in asking:
        process.communicate("end\n")
    assert len(ports) == 60
    assert len({*ports}) == 60


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that go with their process")
def test_a_port_that_a_platform_has_taken_is_given_to_nobody_else(tmp_path: Path) -> None:
    claims = claim_ports(tmp_path)
    try:
        assert free_port(claims.ports["mlflow"]) not in claims.ports.values()
    finally:
        claims.release()


def test_a_program_that_answers_is_ready(start: Start) -> None:
    port = free_port(0)
    serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    wait_until_ready(f"http://127.0.0.1:{port}/", DEADLINE_SECONDS, start(serve))


def test_another_program_at_the_port_is_not_taken_for_ours(start: Start) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever).start()
        with pytest.raises(PlatformError, match=r"sample is not ready after 0\.2 s: .* gave 200 from another process"):
            wait_until_ready(f"http://127.0.0.1:{server.server_port}/", 0.2, start(SLEEP))
        server.shutdown()


def test_a_program_that_ends_too_early_is_named_with_the_end_of_its_log(
    start: Start,
) -> None:
    process = start([sys.executable, "-S", "-c", "raise SystemExit('the disk is full')"])
    url = f"http://127.0.0.1:{free_port(0)}/healthz"
    with pytest.raises(PlatformError, match=r"(?s)sample ended with code 1 before .*/healthz .*the disk is full"):
        wait_until_ready(url, DEADLINE_SECONDS, process)


def test_a_program_that_never_answers_is_named_with_what_was_seen(start: Start) -> None:
    process = start(SLEEP)
    url = f"http://127.0.0.1:{free_port(0)}/healthz"
    with pytest.raises(PlatformError, match=r"sample is not ready after 0\.2 s: .*/healthz gave .*refused"):
        wait_until_ready(url, 0.2, process)
