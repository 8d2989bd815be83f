"""The instances of one revision: started on demand, kept within limits, replaced, and stopped in order."""

import asyncio
import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cyclone.image_contract import CONFIGURATION_VARIABLE, PORT_VARIABLE, REVISION_VARIABLE, SERVICE_VARIABLE
from local_platform.cloud_run.conditions import Conditions
from local_platform.cloud_run.images import BuildLaunch
from local_platform.cloud_run.run_plan import Runnable, RunPlan, SidecarPlan
from local_platform.cloud_run.secret_files import read_secret
from local_platform.cloud_run.startup import StartupError, wait_until_started
from local_platform.processes import GuardedProcess

STOP_GRACE_SECONDS = 10.0  # what Cloud Run gives between SIGTERM and SIGKILL
_RESTART_PAUSE_SECONDS = 5.0  # between attempts to keep the minimum when instances do not come up
# The pause between two looks at an instance that ends. The value is a choice.
_LOOK_PAUSE_SECONDS = 0.02
_log = logging.getLogger(__name__)


class NoInstanceError(Exception):
    """No instance came up, or none could take the request in time."""


@dataclass(frozen=True)
class PoolSettings:
    """What the pools of all revisions share. A pool is all instances of one revision.

    `log_directory` has a file for each instance.
    """

    build_launch: BuildLaunch
    take_port: Callable[[], int]
    log_directory: Path
    kept_directory: Path
    """The temporary folder of all instances. What outlives an instance, such as its spool, stays there."""
    idle_seconds: float
    pending_seconds: float
    secrets_directory: Path | None = None
    conditions: Conditions = field(default_factory=Conditions)


def name_instance(plan: RunPlan, port: int) -> dict[str, str]:
    """The variables by which Cloud Run itself tells an instance what it is."""
    return {
        PORT_VARIABLE: str(port),
        SERVICE_VARIABLE: plan.service,
        REVISION_VARIABLE: plan.revision,
        CONFIGURATION_VARIABLE: plan.service,
    }


@dataclass(eq=False)  # a key of dicts, so an instance equals only itself
class RunningInstance:
    """The running programs of one instance, and how many requests it has in flight."""

    port: int
    processes: list[GuardedProcess] = field(default_factory=list)
    folder: Path | None = None
    """What goes with the instance. None where its files stay."""
    is_ready: bool = False
    in_flight: int = 0
    idle_since: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    started_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def find_ended(self) -> GuardedProcess | None:
        """A program that has ended. The instance ends with the first of them."""
        return next((process for process in self.processes if not process.is_running), None)

    @property
    def is_running(self) -> bool:
        """Whether any of its programs still runs."""
        return any(process.is_running for process in self.processes)


class Pool:
    """The instances of one revision and the requests that wait for one.

    `is_routed` says that the revision has traffic or a tag. Only then, or while it is held for a roll-out, are idle
    instances and the minimum kept.

    Callers `acquire` an instance and `release` it after the answer. `tick` does what time brings.
    """

    def __init__(self, plan: RunPlan, settings: PoolSettings):
        self.plan = plan
        self.is_routed = False
        self.min_instances = plan.min_instances
        self._holds = 0
        self._settings = settings
        self._instances: list[RunningInstance] = []
        self._starts: dict[RunningInstance, asyncio.Task[StartupError | None]] = {}
        self._stops: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[RunningInstance]] = deque()
        self._next_start_at = 0.0
        self._log_number = len(list(settings.log_directory.glob(f"{plan.revision}-*.log")))
        self._now = asyncio.get_running_loop().time

    @property
    def ready_count(self) -> int:
        """How many instances take requests."""
        return sum(instance.is_ready for instance in self._instances)

    @property
    def starting_count(self) -> int:
        """How many instances are not ready yet."""
        return len(self._instances) - self.ready_count

    @property
    def _is_kept(self) -> bool:
        return self.is_routed or self._holds > 0

    async def acquire(self) -> RunningInstance:
        """An instance with a free place, waiting for one if need be. Errors: `NoInstanceError` when time is up."""
        instance = None if self._waiting else self._pick()
        if instance is not None:
            instance.in_flight += 1
            return instance
        place: asyncio.Future[RunningInstance] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._scale_up()
        try:
            await asyncio.wait([place], timeout=self._settings.pending_seconds)
        except asyncio.CancelledError:
            # The caller has left. A place that was given in the same moment goes back.
            if not place.cancel() and not place.exception():
                self.release(place.result())
            raise
        if place.cancel():
            self._waiting.remove(place)
            raise NoInstanceError(
                f"The request was aborted because there was no available instance of {self.plan.revision} within "
                f"{self._settings.pending_seconds:g} s."
            )
        return place.result()

    def release(self, instance: RunningInstance) -> None:
        """Give back the place that `acquire` gave."""
        instance.in_flight -= 1
        instance.idle_since = self._now()
        self._serve_waiting()

    def discard(self, instance: RunningInstance) -> None:
        """Take out an instance that refuses connections. Another one is started when it is needed."""
        if instance in self._instances:
            _log.warning("%s: instance on port %s refuses connections", self.plan.revision, instance.port)
            self._leave(instance)
            self._scale_up()

    async def warm(self) -> None:
        """Return once an instance is ready. Errors: `StartupError` when the one that was started does not come up."""
        if self.ready_count:
            return
        start = next(iter(self._starts.values()), None) or self._start()
        if error := await asyncio.shield(start):  # others may wait for the same start
            raise error

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep instances, although nothing is routed here yet."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def tick(self) -> None:
        """Take out instances that ended, keep the minimum, and stop those that were idle for too long."""
        for instance in list(self._instances):
            if instance.is_ready and (ended := instance.find_ended()):
                _log.warning("%s: instance ended with %s", self.plan.revision, ended.poll())
                self._leave(instance)
        self._maintain()
        self._scale_up()
        self._scale_down()

    def _maintain(self) -> None:
        """Replace the oldest instance if it is older than maintenance allows. The next one is looked at later."""
        allowed = self._settings.conditions.restart_seconds
        old = [each for each in self._instances if each.is_ready and self._now() - each.started_at > allowed > 0]
        if old:
            _log.info("%s: maintenance replaces the instance on port %s", self.plan.revision, old[0].port)
            self._leave(old[0])

    def _pick(self) -> RunningInstance | None:
        """The least busy ready instance with a free place. Of equals the oldest, so that the others turn idle."""
        free = [i for i in self._instances if i.is_ready and i.in_flight < self.plan.concurrency]
        return min(free, key=lambda instance: instance.in_flight, default=None)

    def _serve_waiting(self) -> None:
        while self._waiting and (instance := self._pick()):
            place = self._waiting.popleft()
            if not place.done():
                instance.in_flight += 1
                place.set_result(instance)

    def _scale_up(self) -> None:
        wanted = -(-len(self._waiting) // self.plan.concurrency)  # rounded up
        while self.starting_count < wanted and len(self._instances) < self.plan.max_instances:
            self._start()
        minimum = self.min_instances if self._is_kept else 0
        while len(self._instances) < minimum and self._now() >= self._next_start_at:
            self._start()

    def _scale_down(self) -> None:
        keep_seconds = self._settings.idle_seconds if self._is_kept else 0.0
        minimum = self.min_instances if self._is_kept else 0
        for instance in reversed(self._instances.copy()):  # the youngest first, because `_pick` prefers the oldest
            is_idle = instance.is_ready and not instance.in_flight and not self._waiting
            if is_idle and len(self._instances) > minimum and self._now() - instance.idle_since >= keep_seconds:
                self._leave(instance)

    def _start(self) -> "asyncio.Task[StartupError | None]":
        self._log_number += 1
        instance = RunningInstance(self._settings.take_port())
        self._instances.append(instance)
        task = asyncio.create_task(self._finish_start(instance, self._log_number))
        self._starts[instance] = task
        return task

    async def _finish_start(self, instance: RunningInstance, number: int) -> StartupError | None:
        try:
            await self._start_containers(instance, number)
        except StartupError as error:
            _log.warning("%s: instance did not start. %s", self.plan.revision, error)
            self._next_start_at = self._now() + _RESTART_PAUSE_SECONDS
            self._leave(instance)
            if not self._instances:
                log = self._settings.log_directory / f"{self.plan.revision}-{number}.log"
                self._refuse_waiting(f"No instance of {self.plan.revision} starts. The log of the last is {log}.")
            return error
        finally:
            del self._starts[instance]
        instance.is_ready = True
        instance.idle_since = instance.started_at = self._now()
        self._serve_waiting()
        return None

    async def _start_containers(self, instance: RunningInstance, number: int) -> None:
        """Start the containers in order, each once those that it depends on have started."""
        plan, name = self.plan, f"{self.plan.revision}-{number}"
        for sidecar in plan.before:
            await self._start_sidecar(instance, sidecar, name)
        process = self._launch(instance, plan, name_instance(plan, instance.port), name)
        await wait_until_started(process, instance.port, plan.probe)
        for sidecar in plan.after:
            await self._start_sidecar(instance, sidecar, name)

    async def _start_sidecar(self, instance: RunningInstance, sidecar: SidecarPlan, name: str) -> None:
        named = {key: value for key, value in name_instance(self.plan, 0).items() if key != PORT_VARIABLE}
        process = self._launch(instance, sidecar, named, f"{name}-{sidecar.name}")
        if sidecar.probe is not None:
            await wait_until_started(process, sidecar.probe_port, sidecar.probe)

    def _launch(
        self, instance: RunningInstance, container: Runnable, named: dict[str, str], log_name: str
    ) -> GuardedProcess:
        """Start one container of an instance. Errors: `StartupError` when a secret is not there."""
        settings = self._settings
        given = {
            name: read_secret(settings.secrets_directory, secret, version)
            for name, (secret, version) in container.secrets.items()
        }
        kept = settings.kept_directory
        if settings.conditions.is_ephemeral:
            kept = instance.folder = kept / f"instance-{instance.port}"
        kept.mkdir(exist_ok=True, parents=True)
        launch = settings.build_launch(container, instance.port, kept)
        process = GuardedProcess.start(
            name=self.plan.revision,
            argv=launch.command,
            env={**launch.environment, **container.env, **given, **named},
            log_path=settings.log_directory / f"{log_name}.log",
            grace_seconds=STOP_GRACE_SECONDS,
            memory_bytes=container.memory_bytes,
            memory_folder=instance.folder,
        )
        instance.processes.append(process)
        return process

    def _refuse_waiting(self, message: str) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(NoInstanceError(message))

    def _leave(self, instance: RunningInstance) -> None:
        """Give the instance no new request. Stop its program once the requests in flight are answered."""
        self._instances.remove(instance)
        task = asyncio.create_task(self._stop(instance))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    async def _stop(self, instance: RunningInstance) -> None:
        while instance.in_flight and not instance.find_ended():
            await asyncio.sleep(_LOOK_PAUSE_SECONDS)
        for process in instance.processes:
            process.begin_stop()
        while instance.is_running:
            await asyncio.sleep(_LOOK_PAUSE_SECONDS)
        if instance.folder is not None:
            shutil.rmtree(instance.folder, ignore_errors=True)

    async def close(self) -> None:
        """Stop all instances in order, and wait for their end."""
        self.is_routed = False
        self._refuse_waiting(f"{self.plan.revision} is being stopped.")
        starts = list(self._starts.values())
        for start in starts:
            start.cancel()
        await asyncio.gather(*starts, return_exceptions=True)
        for instance in list(self._instances):
            self._leave(instance)
        await asyncio.gather(*self._stops)
