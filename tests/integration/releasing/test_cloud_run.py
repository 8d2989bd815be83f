"""The Cloud Run stand-in before clients: traffic by percent and tag, and instances that come and go."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from google.cloud import run_v2

from tests.support.cloud_run_driver import (
    DEADLINE_SECONDS,
    PARENT,
    CloudRun,
    ask,
    ask_revision,
    count_instances,
    load,
    run_cloud_run,
    wait_for,
)


def test_a_created_service_is_ready_and_answers(cloud_run: CloudRun) -> None:
    service = cloud_run.create("first", env={"GREETING": "hello"}, revision="first-one")
    assert service.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED
    assert (service.generation, service.observed_generation, service.reconciling) == (1, 1, False)
    assert service.latest_ready_revision == f"{PARENT}/services/first/revisions/first-one"
    identity = ask(service.uri, "/predict?x=%20a%2Fb", headers={"traceparent": "00-abc-def-01"})
    port = identity["environment"].pop("PORT")
    assert identity["environment"] == {
        "K_SERVICE": "first",
        "K_REVISION": "first-one",
        "K_CONFIGURATION": "first",
        "GREETING": "hello",
    }
    assert port not in service.uri
    assert identity["path"] == "/predict?x=%20a%2Fb"
    assert identity["headers"]["traceparent"] == "00-abc-def-01"
    assert identity["headers"]["Host"] == service.uri.removeprefix("http://")


def test_bodies_pass_in_both_directions_whatever_their_size(cloud_run: CloudRun) -> None:
    uri = cloud_run.create("bodies").uri
    for size in (0, 10, 3_000_000):
        answer = requests.post(uri, data=b"x" * size, timeout=DEADLINE_SECONDS)
        assert answer.json()["received_bytes"] == size
    assert requests.get(f"{uri}/stream", timeout=DEADLINE_SECONDS).text == "one two three"
    head = requests.head(uri, timeout=DEADLINE_SECONDS)
    assert (head.status_code, int(head.headers["Content-Length"]) > 0, head.content) == (200, True, b"")


def test_a_candidate_is_reached_by_its_tag_then_shares_the_traffic_by_percent(cloud_run: CloudRun) -> None:
    service = cloud_run.deploy_candidate(cloud_run.create("split", revision="split-old"), "split-new")
    tag = service.traffic_statuses[1]
    assert (tag.tag, tag.revision, tag.percent) == ("candidate", "split-new", 0)
    assert ask_revision(tag.uri) == "split-new"
    assert {ask_revision(service.uri) for _ in range(20)} == {"split-old"}
    moved = cloud_run.move("split", old=80, new=20)
    assert moved.generation == 3
    assert len(list(cloud_run.revisions.list_revisions(parent=service.name))) == 2
    counts = Counter(ask_revision(service.uri) for _ in range(50))
    assert counts == {"split-old": 40, "split-new": 10}
    with pytest.raises(requests.ConnectionError):
        ask(tag.uri)


def test_promoting_and_rolling_back_under_load_fails_no_request(cloud_run: CloudRun) -> None:
    service = cloud_run.create("promote", revision="promote-old")
    with load(service.uri) as counts:
        cloud_run.deploy_candidate(service, "promote-new")
        for percent in (5, 50, 100):
            cloud_run.move("promote", old=100 - percent, new=percent)
            seen = counts["promote-new"]
            wait_for(lambda seen=seen: counts["promote-new"] > seen + 20)  # type: ignore[misc]
        wait_for(lambda: count_instances(cloud_run.address, "promote-old") == 0)
        seen_old = counts["promote-old"]
        cloud_run.move("promote", old=100)
        wait_for(lambda: counts["promote-old"] > seen_old + 20)
    assert set(counts) == {"promote-old", "promote-new"}


def test_busy_instances_get_help_up_to_the_maximum(cloud_run: CloudRun) -> None:
    scaling = {"max_instance_count": 2}
    service = cloud_run.create("busy", max_instance_request_concurrency=1, scaling=scaling, revision="busy-one")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(service.uri, "/sleep?seconds=0.3"), range(6)))
    assert len({answer["pid"] for answer in answers}) == 2


def test_an_instance_that_dies_costs_its_own_request_only(cloud_run: CloudRun) -> None:
    service = cloud_run.create("mortal", scaling={"min_instance_count": 1}, revision="mortal-one")
    before = ask(service.uri)["pid"]
    died = requests.get(f"{service.uri}/exit", timeout=DEADLINE_SECONDS)
    assert died.status_code == 503
    wait_for(lambda: not psutil.pid_exists(before))
    after = ask(service.uri)["pid"]
    assert after != before
    os.kill(after, signal.SIGKILL)
    wait_for(lambda: count_instances(cloud_run.address, "mortal-one") == 1 and not psutil.pid_exists(after))
    assert ask(service.uri)["pid"] not in (before, after)


def test_requests_are_counted_by_service_revision_and_code(cloud_run: CloudRun) -> None:
    service = cloud_run.create("counted", revision="counted-one")
    for _ in range(3):
        ask(service.uri)
    text = requests.get(f"{cloud_run.address}/metrics", timeout=DEADLINE_SECONDS).text
    labels = 'code_class="2xx",revision="counted-one",service="counted"'
    assert f"cyclone_cloud_run_requests_total{{{labels}}} 3.0" in text.splitlines()


def test_an_idle_service_has_no_instance_and_the_next_request_starts_one(tmp_path: Path) -> None:
    with run_cloud_run(tmp_path, "--idle-seconds", "0.3") as cloud_run:
        service = cloud_run.create("idle", revision="idle-one")
        first = ask(service.uri)["pid"]
        wait_for(lambda: count_instances(cloud_run.address, "idle-one") == 0)
        wait_for(lambda: not psutil.pid_exists(first))
        assert ask(service.uri)["pid"] != first


def test_an_instance_knows_its_deployment_and_its_runtime_and_nothing_of_whoever_started_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYCLONE_API_KEYS_FILE", "/home/me/keys.json")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    with run_cloud_run(tmp_path) as cloud_run:
        service = cloud_run.create("alone", env={"GREETING": "hello"}, revision="alone-one")
        instance = psutil.Process(ask(service.uri)["pid"])
        runtime = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
        of_a_process = {"PATH", "LANG", "HOME", "TMPDIR", "LD_LIBRARY_PATH"}
        assert set(instance.environ()) == {"GREETING"} | runtime | of_a_process
        assert instance.environ()["HOME"].startswith(str(tmp_path))
