"""Whether a started instance is ready for requests: the container's startup probe."""

import asyncio
from dataclasses import dataclass
from typing import Self

import aiohttp

from local_platform.cloud_run.resources import Resource
from local_platform.processes import GuardedProcess

# The pause between two looks at an instance that starts. The value is a choice.
_LOOK_PAUSE_SECONDS = 0.05


class StartupError(Exception):
    """An instance ended, or did not answer its startup probe in time. The message quotes its log."""


@dataclass(frozen=True)
class StartupProbe:
    """What to ask a starting instance, and for how long. `path` None means that a TCP connection is enough."""

    path: str | None
    headers: tuple[tuple[str, str], ...]
    initial_delay_seconds: float
    timeout_seconds: float
    budget_seconds: float

    @classmethod
    def from_container(cls, container: Resource) -> Self:
        """The probe of a container whose defaults are filled in."""
        probe = container.startup_probe
        is_http = probe.HasField("http_get")
        return cls(
            path=probe.http_get.path if is_http else None,
            headers=tuple((each.name, each.value) for each in probe.http_get.http_headers),
            initial_delay_seconds=probe.initial_delay_seconds,
            timeout_seconds=probe.timeout_seconds,
            budget_seconds=probe.period_seconds * probe.failure_threshold,
        )


async def wait_until_started(process: GuardedProcess, port: int, probe: StartupProbe) -> None:
    """Return once the probe succeeds. Errors: `StartupError` when the process ends or the probe's budget is spent."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(probe.initial_delay_seconds)
    deadline = loop.time() + probe.budget_seconds
    async with aiohttp.ClientSession() as session:
        while True:
            exit_code = process.poll()
            if exit_code is not None:
                raise StartupError(f"It ended with code {exit_code}. {_quote_log(process)}")
            if await _answers(session, port, probe):
                return
            if loop.time() > deadline:
                asked = f"GET {probe.path}" if probe.path else "a TCP connection"
                raise StartupError(
                    f"It did not answer {asked} within {probe.budget_seconds:g} s. {_quote_log(process)}"
                )
            await asyncio.sleep(_LOOK_PAUSE_SECONDS)


async def _answers(session: aiohttp.ClientSession, port: int, probe: StartupProbe) -> bool:
    try:
        async with asyncio.timeout(probe.timeout_seconds):
            if probe.path is None:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            url = f"http://127.0.0.1:{port}{probe.path}"
            async with session.get(url, headers=probe.headers, allow_redirects=False) as response:
                return response.status < 400  # as Cloud Run judges an HTTP probe
    except (OSError, aiohttp.ClientError, TimeoutError):
        return False


def _quote_log(process: GuardedProcess) -> str:
    return f"The end of {process.log_path}:\n{process.read_log_end()}"
