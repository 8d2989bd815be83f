"""SIGTERM while somebody is slow: the rows are stored, the instance signs off, and the process ends by itself."""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from cyclone.errors import StoreError
from cyclone.store import Store
from local_platform.processes import GuardedProcess, free_port, wait_until_ready
from tests.integration.bento_service.test_logging_proxy import run_container
from tests.support.serving import ROW, START_SECONDS, Service, wait_until

ENDED_ITSELF = 128 + signal.SIGTERM
"""uvicorn gives itself the signal again when all is done. Who was killed has 128 + SIGKILL."""


@contextmanager
def run(module: str, cwd: Path, variables: dict[str, str], store: Store, folder: Path) -> Iterator[Service]:
    """A serving process as an image starts it: alone, without a supervisor."""
    port = free_port(0)
    env = {
        **os.environ,
        "BENTOML_HOME": str(folder),
        "BENTOML_DO_NOT_TRACK": "True",
        "CYCLONE_STORE_DSN": store.dsn,
        "CYCLONE_SPOOL_DIR": str(folder / "spool"),
        "PORT": str(port),
        **variables,
    }
    command = [sys.executable, "-m", module]
    with GuardedProcess.start("serving", command, env, folder / "serving.log", cwd=cwd) as process:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", START_SECONDS, process)
        yield Service(port, process, store)


@contextmanager
def run_the_service(bundle: Path, store: Store, folder: Path) -> Iterator[Service]:
    with run("bento_service", bundle, {}, store, folder) as service:
        yield service


@contextmanager
def run_the_proxy(bundle: Path, store: Store, folder: Path) -> Iterator[Service]:
    with run_container() as target:
        served = {"CYCLONE_MODEL": "bike_demand", "CYCLONE_MODEL_VERSION": "3", "CYCLONE_PROXY_TARGET": target}
        with run("bento_service.logging_proxy", bundle, served, store, folder) as service:
            yield service


@pytest.mark.parametrize("start", [run_the_service, run_the_proxy])
def test_a_slow_body_and_a_label_behind_a_lock_keep_no_instance_from_signing_off(
    start: Callable[[Path, Store, Path], AbstractContextManager[Service]], bundle: Path, store: Store, tmp_path: Path
) -> None:
    with start(bundle, store, tmp_path) as service, store.transaction() as elsewhere:
        elsewhere.connection.cursor().execute("LOCK TABLE label IN ACCESS EXCLUSIVE MODE")
        label = threading.Thread(target=send_label, args=(service,))
        label.start()
        wait_until(lambda: service.query("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(1,)], "it waits")
        with send_half_a_body(service):
            assert service.predict(ROW, ids=["before the end"])[0] == 200
            assert service.process.stop() == ENDED_ITSELF
        label.join(30)
        assert [row[0] for row in service.read_rows(["before the end"])] == ["before the end"]
        assert service.read_ledger() == [(0, True)]


def test_a_migration_does_not_wait_for_ever_while_everybody_waits_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclone.store.MIGRATION_LOCK_SECONDS", 1)
    with store.transaction() as reader:
        reader.connection.cursor().execute("SELECT count(*) FROM log_completeness")
        with pytest.raises(StoreError, match="lock timeout"):
            store.migrate()
    assert store.migrate() == []


def test_a_statement_that_takes_too_long_is_stopped(store: Store) -> None:
    with pytest.raises(StoreError, match="statement timeout"), Store(store.dsn, 1).transaction() as impatient:
        impatient.connection.cursor().execute("SELECT pg_sleep(30)")


def send_label(service: Service) -> None:
    with suppress(OSError, HTTPException):
        service.label({"id": "waits", "label": 1})


@contextmanager
def send_half_a_body(service: Service) -> Iterator[None]:
    """A request whose body stops in the middle, for as long as the context."""
    content = json.dumps({"rows": [ROW]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(head + content[:20])
        yield
