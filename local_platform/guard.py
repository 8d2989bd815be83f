"""Runs a command that never outlives its owner: `guard.py OPTIONS -- CMD…`.

OPTIONS are `--stop-signal INT|TERM`, `--grace SECONDS`, `--memory BYTES` and `--memory-folder FOLDER`, whose files
count as memory.

The owner holds the write end of the guard's standard input. When the owner ends, even by `kill -9`, that pipe closes.
The guard then sends CMD the stop signal, waits for the grace, and kills every descendant that is left. SIGTERM and
SIGINT to the guard do the same. On Linux, CMD is killed when it and its descendants have more than BYTES of memory of
their own.

The exit code is CMD's, or 128 + the signal that ended it. It is 127 when CMD cannot start.

The guard runs as a file under `python -I -S`, which starts in a fifth of the time. It loads site-packages only when
needed.
"""

import contextlib
import os
import selectors
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""Options of prctl(2), from linux/prctl.h: a signal to a process whose parent ends, and the adoption of orphans."""
KILL_ROUND_SECONDS = 0.01
"""The pause between two rounds of killing. A process may have begun another one meanwhile. The value is a choice."""
MEMORY_LOOK_SECONDS = 0.25
"""The pause between two looks at the memory of all processes. The value is a choice."""
WATCHED_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


def main(arguments: list[str]) -> int:
    """Start the command, and wait for its end or for a reason to end it. Leave no descendant. Return the exit code."""
    stop_signal, grace_seconds, memory_bytes, memory_folder, command = parse_arguments(arguments)
    with contextlib.suppress(PermissionError):  # we lead a session already
        os.setsid()
    set_process_control(PR_SET_CHILD_SUBREAPER, 1)
    owner = take_owner_pipe()
    signals = open_signal_pipe()
    pid = start_command(command)
    exit_code = wait_for_end(pid, signals, owner, memory_bytes=memory_bytes, memory_folder=memory_folder)
    if exit_code is None:
        os.kill(pid, stop_signal)  # not reaped, so the number is still its own
        exit_code = wait_for_end(pid, signals, deadline=time.monotonic() + grace_seconds)
    killed = kill_descendants(pid)
    return exit_code if exit_code is not None else killed


def parse_arguments(arguments: list[str]) -> tuple[signal.Signals, float, int, str, list[str]]:
    """The stop signal, the grace in seconds, the memory in bytes (0 for no limit), its folder, and the command.

    The parsing is by hand, because argparse costs as much as all the rest of the start.
    """
    stop_signal, grace_seconds, memory_bytes, memory_folder = signal.SIGTERM, 10.0, 0, ""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options, command = arguments[:at], arguments[at + 1 :]
    for name, value in zip(options[::2], [*options[1::2], ""], strict=False):
        if name == "--stop-signal" and value in ("INT", "TERM"):
            stop_signal = signal.Signals["SIG" + value]
        elif name == "--grace" and value.replace(".", "", 1).isdigit():
            grace_seconds = float(value)
        elif name == "--memory" and value.isdigit():
            memory_bytes = int(value)
        elif name == "--memory-folder":
            memory_folder = value
        else:
            allowed = "--stop-signal INT|TERM, --grace SECONDS, --memory BYTES or --memory-folder FOLDER"
            sys.exit(f"guard: {name} {value!r} is not allowed. Use {allowed}")
    if not command:
        sys.exit("guard: no command is given. Write it after --")
    return stop_signal, grace_seconds, memory_bytes, memory_folder, command


def set_process_control(option: int, value: int) -> None:
    """Set an option of this process by the system call prctl(2). It does nothing where the system is not Linux.

    There a descendant that leaves its parent and its process group is not stopped with the rest.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def take_owner_pipe() -> int:
    """Move the owner's pipe out of the command's reach. The command gets an empty standard input."""
    pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return pipe


def open_signal_pipe() -> int:
    """The read end of a pipe that gets one byte for every watched signal: the signal's number."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    for number in WATCHED_SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    return read_end


def start_command(command: list[str]) -> int:
    """Fork and run the command. On Linux the kernel kills it when the guard dies."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)  # or a stop could meet our handlers in the child
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
        return pid
    try:
        os.setpgid(0, 0)
        set_process_control(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in WATCHED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
        os.execvp(command[0], command)  # noqa: S606 (no shell wanted)
    except OSError as error:
        print(f"guard: cannot start {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
    os._exit(127)  # what a shell says of a command that cannot start


def wait_for_end(
    pid: int,
    signals: int,
    owner: int | None = None,
    deadline: float | None = None,
    memory_bytes: int = 0,
    memory_folder: str = "",
) -> int | None:
    """The command's exit code. None when it has to be stopped before it ended.

    That is after the deadline, or with an owner when the owner left or a signal to stop came.
    """
    with selectors.DefaultSelector() as selector:
        for source in [signals] if owner is None else [signals, owner]:
            selector.register(source, selectors.EVENT_READ)
        while True:
            exit_code = reap_children(pid)
            if exit_code is not None:
                return exit_code
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            if memory_bytes:
                kill_beyond(pid, memory_bytes, memory_folder)
                left = MEMORY_LOOK_SECONDS
            received = {key.fd: os.read(key.fd, 4096) for key, _ in selector.select(left)}
            should_stop = {signal.SIGTERM, signal.SIGINT} & set(received.get(signals, b""))
            if owner is not None and (should_stop or received.get(owner) == b""):
                return None


def kill_beyond(pid: int, memory_bytes: int, memory_folder: str = "") -> None:
    """Kill the command when it, its descendants and the files of a folder have more memory than `memory_bytes`."""
    used = sum(map(read_own_memory, list_children(os.getpid()))) + read_size(memory_folder)
    if used > memory_bytes:
        print(f"guard: killed, {used >> 20} MiB are over the limit of {memory_bytes >> 20} MiB", file=sys.stderr)
        sys.stderr.flush()
        os.kill(pid, signal.SIGKILL)  # not reaped, so the number is still its own


def read_size(folder: str) -> int:
    """The bytes of all files in a folder. 0 without one."""
    found = 0
    for place, _, names in os.walk(folder) if folder else ():
        for name in names:
            with contextlib.suppress(OSError):
                found += os.lstat(os.path.join(place, name)).st_size
    return found


def list_children(pid: int) -> list[int]:
    """The ids of a process's children and of theirs, as Linux lists them. psutil would read every process there is."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found + [below for child in found for below in list_children(child)]


def read_own_memory(pid: int) -> int:
    """The resident bytes that a process shares with no file. 0 when it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/statm") as file:
        _, resident, shared, *_ = file.read().split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0


def reap_children(pid: int) -> int | None:
    """Take the exit code of every ended child, adopted ones too. Return that of `pid`, or None if it has not ended."""
    exit_code = None
    with contextlib.suppress(ChildProcessError):  # no child is left
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == pid:
                code = os.waitstatus_to_exitcode(ended[1])
                exit_code = code if code >= 0 else 128 - code
    return exit_code


def kill_descendants(pid: int) -> int:
    """Kill until no descendant is left, and return the command's exit code.

    What is orphaned meanwhile becomes a child of the guard, so a next round finds it.
    """
    exit_code = None
    while has_children():
        for descendant in list_descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(descendant, signal.SIGKILL)
        time.sleep(KILL_ROUND_SECONDS)
        ended = reap_children(pid)
        exit_code = exit_code if ended is None else ended
    with contextlib.suppress(ProcessLookupError, PermissionError):  # only where orphans are not adopted
        os.killpg(pid, signal.SIGKILL)
    return 128 + signal.SIGKILL if exit_code is None else exit_code


def has_children() -> bool:
    """Whether there is a child that lives, or that has ended and whose exit code nobody took."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def list_descendants() -> list[int]:
    """The ids of all children and their children."""
    import site

    site.main()  # it makes psutil importable, and was left out at the start for speed
    import psutil

    return [process.pid for process in psutil.Process().children(recursive=True)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
