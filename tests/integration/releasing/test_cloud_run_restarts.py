"""The Cloud Run stand-in stopped, killed and started again on the same state."""

import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import requests

from local_platform.addresses import USUAL_PORTS, build_store_dsn, claim_ports
from local_platform.processes import free_port
from tests.support.cloud_run_driver import (
    DEADLINE_SECONDS,
    REPOSITORY,
    ask,
    ask_revision,
    build_command,
    build_template,
    count_instances,
    run_cloud_run,
    wait_for,
)


def test_a_request_in_flight_is_answered_although_everything_is_told_to_stop(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run, ThreadPoolExecutor(1) as pool:
        service = cloud_run.create("drain")
        pid = ask(service.uri)["pid"]
        answer = pool.submit(ask, service.uri, "/sleep?seconds=1")
        (log,) = (tmp_path / "logs").glob("drain-*.log")
        wait_for(lambda: "sleeping" in log.read_text())
        cloud_run.process.stop()
        assert answer.result()["pid"] == pid
        assert not psutil.pid_exists(pid)


def test_addresses_revisions_and_traffic_survive_a_restart(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run:
        created = cloud_run.create("stay", revision="stay-old", scaling={"min_instance_count": 1})
        before = cloud_run.deploy_candidate(created, "stay-new")
        first = ask(before.uri)["pid"]
    assert not psutil.pid_exists(first)
    with run_cloud_run(tmp_path) as cloud_run:
        wait_for(lambda: count_instances(cloud_run.address, "stay-old") == 1)
        assert count_instances(cloud_run.address, "stay-new") == 0
        assert cloud_run.get("stay") == before
        assert ask_revision(before.uri) == "stay-old"
        assert ask_revision(before.traffic_statuses[1].uri) == "stay-new"


def test_an_address_whose_port_is_taken_moves_and_the_service_says_where_to(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run:
        before = cloud_run.deploy_candidate(cloud_run.create("moved", revision="moved-old"), "moved-new")
    uris = [before.uri, before.traffic_statuses[1].uri]
    with ExitStack() as taken:
        for uri in uris:
            taken.enter_context(socket.create_server(("127.0.0.1", int(uri.rpartition(":")[2]))))
        with run_cloud_run(tmp_path) as cloud_run:
            moved = cloud_run.get("moved")
            assert not {moved.uri, moved.traffic_statuses[1].uri} & {*uris}
            assert list(moved.urls) == [moved.uri]
            assert ask_revision(moved.uri) == "moved-old"
            assert ask_revision(moved.traffic_statuses[1].uri) == "moved-new"
    with run_cloud_run(tmp_path) as cloud_run:
        assert cloud_run.get("moved") == moved


def test_a_revision_is_told_where_the_store_is_now_and_asks_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another platform's store may answer at the port that it was deployed with."""
    # A platform that runs beside the test may take the usual ones meanwhile.
    monkeypatch.setattr("local_platform.addresses.USUAL_PORTS", {name: free_port(0) for name in USUAL_PORTS})
    before = choose_ports(tmp_path)
    with run_cloud_run(tmp_path / "cloud_run") as cloud_run:
        service = cloud_run.create("told", env={"GREETING": build_store_dsn(before, "cyclone")})
    with socket.create_server(("127.0.0.1", before["postgres"])):
        now = choose_ports(tmp_path)
    assert now["postgres"] != before["postgres"]
    with run_cloud_run(tmp_path / "cloud_run"):
        assert ask(service.uri)["environment"]["GREETING"] == (
            f"postgresql://postgres@127.0.0.1:{now['postgres']}/cyclone"
        )


def choose_ports(state_dir: Path) -> dict[str, int]:
    """The ports of a start that ends at once."""
    claims = claim_ports(state_dir)
    claims.release()
    return claims.ports


def test_a_second_process_on_the_same_state_is_refused(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path):
        command = build_command(free_port(0), tmp_path)
        second = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert second.returncode == 1
    assert f"The state directory {tmp_path} is in use by another" in second.stderr


def test_killing_it_with_9_leaves_no_instance_and_a_restart_serves_again(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run:
        service = cloud_run.create("killed")
        pid = ask(service.uri)["pid"]
        program = cloud_run.process.program_pid
        assert program is not None
        guards = [each.pid for each in psutil.Process(program).children()]
        assert len(guards) == 1
        os.kill(cloud_run.process.pid, signal.SIGSTOP)  # the outer guard must not do the work of the inner one
        os.kill(program, signal.SIGKILL)
        wait_for(lambda: not psutil.pid_exists(pid))
        os.kill(cloud_run.process.pid, signal.SIGCONT)
        wait_for(lambda: not any(psutil.pid_exists(each) for each in guards))
    with run_cloud_run(tmp_path) as cloud_run:
        assert ask(service.uri)["pid"] != pid


def test_a_roll_out_that_a_kill_cut_off_is_taken_up_again(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path) as cloud_run:
        service = cloud_run.create("resumed", revision="resumed-one")
        service.template = build_template(env={"MODE": "hang"}, revision="resumed-two")
        operation = cloud_run.services.update_service(service=service)
        program = cloud_run.process.program_pid
        assert program is not None
        os.kill(program, signal.SIGKILL)
        cloud_run.process.wait(DEADLINE_SECONDS)
    with run_cloud_run(tmp_path) as cloud_run:
        url = f"{cloud_run.address}/v2/{operation.operation.name}"
        assert requests.get(url, timeout=DEADLINE_SECONDS).json()["done"] is False
        assert ask_revision(cloud_run.get("resumed").uri) == "resumed-one"
        cloud_run.services.delete_service(name=service.name).result(timeout=DEADLINE_SECONDS)
        ended = requests.get(url, timeout=DEADLINE_SECONDS).json()
        assert ended["error"]["message"] == "'resumed' was deleted."
