"""`python -m local_platform.cloud_run --port P --state-dir DIR`: run the stand-in until SIGTERM or SIGINT."""

import argparse
import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from cyclone.errors import PlatformError
from local_platform.cloud_run.access import Access, name_member
from local_platform.cloud_run.api import build_app
from local_platform.cloud_run.conditions import Conditions, Quota
from local_platform.cloud_run.containers import remove_containers
from local_platform.cloud_run.control import HOST, ControlPlane, Routes
from local_platform.cloud_run.identity import Issuer
from local_platform.cloud_run.images import RUNNERS
from local_platform.cloud_run.instances import Pool, PoolSettings
from local_platform.cloud_run.metrics import Metrics
from local_platform.cloud_run.ports import take_port
from local_platform.cloud_run.proxy import Gateway
from local_platform.cloud_run.state import State


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. Return the exit code."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(run(options))
    except PlatformError as error:
        print(f"cloud_run: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m local_platform.cloud_run", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port of the Admin API on 127.0.0.1")
    parser.add_argument("--state-dir", type=Path, required=True, help="folder of state.json and logs/")
    parser.add_argument("--project", default="local")
    parser.add_argument("--location", default="local")
    parser.add_argument("--runner", choices=RUNNERS, default="bento", help="what an image is")
    parser.add_argument(
        "--account", action="append", default=[], help="name of a service account; with one, services ask for ID tokens"
    )
    parser.add_argument("--invoker", action="append", default=[], help="name of an account that may call every service")
    parser.add_argument("--deny", action="append", default=[], help="permission that callers of the Admin API lack")
    parser.add_argument("--secrets-dir", type=Path, help="folder of secrets: a folder each, with a file a version")
    parser.add_argument("--quota", default="0/60", help="calls of the Admin API in so many seconds, as 180/60; 0: all")
    parser.add_argument("--random-split", action="store_true", help="draw each request's revision, as Google does")
    parser.add_argument("--traffic-delay-seconds", type=float, default=0.0, help="how late a new split takes effect")
    parser.add_argument("--restart-seconds", type=float, default=0.0, help="age at which maintenance ends an instance")
    parser.add_argument("--ephemeral", action="store_true", help="an instance's files are its memory and go with it")
    parser.add_argument("--idle-seconds", type=float, default=900.0, help="how long an idle instance is kept")
    parser.add_argument("--pending-seconds", type=float, default=60.0, help="how long a request waits for an instance")
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> None:
    """Serve the Admin API and all services. On a signal, stop everything in order."""
    should_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, should_stop.set)
    state = State(options.state_dir.resolve())
    kept_directory = options.state_dir.resolve() / "tmp"
    if options.runner == "container":
        remove_containers(str(kept_directory))
    routes: dict[str, Routes] = {}
    metrics = Metrics(lambda: [pool for each in routes.values() for pool in each.pools.values()])
    conditions = Conditions(
        has_random_split=options.random_split,
        traffic_delay_seconds=options.traffic_delay_seconds,
        restart_seconds=options.restart_seconds,
        is_ephemeral=options.ephemeral,
    )
    settings = PoolSettings(
        build_launch=RUNNERS[options.runner],
        take_port=lambda: take_port(state.list_ports()),
        log_directory=options.state_dir.resolve() / "logs",
        kept_directory=kept_directory,
        idle_seconds=options.idle_seconds,
        pending_seconds=options.pending_seconds,
        secrets_directory=options.secrets_dir,
        conditions=conditions,
    )
    parent = f"projects/{options.project}/locations/{options.location}"
    issuer = _build_issuer(options)
    access = Access(issuer, [name_member(name, options.project) for name in options.invoker], options.deny)
    control = ControlPlane(
        parent, state, Gateway(metrics), routes, lambda plan: Pool(plan, settings), access, conditions
    )
    admin = web.AppRunner(
        build_app(control, metrics, issuer, _read_quota(options.quota)), access_log=None, shutdown_timeout=1.0
    )
    try:
        await control.start()
        await _open_admin(admin, options.port)
        gc.collect()
        gc.freeze()  # otherwise a full collection walks all of Google's message types while a request waits
        await should_stop.wait()
    finally:
        await admin.cleanup()
        await control.close()
        state.close()


def _read_quota(text: str) -> Quota:
    calls, _, seconds = text.partition("/")
    return Quota(int(calls), float(seconds or 60))


def _build_issuer(options: argparse.Namespace) -> Issuer | None:
    if not options.account:
        return None
    directory, address = options.state_dir.resolve() / "accounts", f"http://{HOST}:{options.port}"
    return Issuer(directory, address, options.project, options.account)


async def _open_admin(admin: web.AppRunner, port: int) -> None:
    await admin.setup()
    try:
        await web.TCPSite(admin, HOST, port).start()
    except OSError as error:
        raise PlatformError(f"--port {port} cannot be bound on {HOST}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
