"""Who may send an alert, and what bodies and floods of them do to the API server."""

import json
import logging
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from anyio import fail_after, to_thread
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from cyclone.alerts.credentials import sign
from cyclone.keys import add_key
from cyclone.policy.incidents import close_incident, start_retraining
from cyclone.settings import Settings
from cyclone.store import Store
from cyclone_airflow.plugin import make_webhooks, say_if_closed
from cyclone_airflow.webhook_app import MOST_AT_ONCE, build_app
from cyclone_airflow.webhook_bodies import BODY_SECONDS, MOST_BYTES, MOST_HELD_BYTES
from tests.support.grafana import Grafana, build_alertmanager_body, post_over_http
from tests.support.serving_apps import serve_app
from tests.support.statements import execute
from tests.unit.plugins.webhooks import RISEN, SECRET, count, serve


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"secret": "another-secret-of-the-same-length"}, 401, "not that of this body"),
        ({"secret": ""}, 401, "X-Grafana-Alerting-Signature is missing"),
        ({"secret": "", "bearer": "cyclone_invented"}, 401, "X-Grafana-Alerting-Signature is missing"),
        ({"timestamp_header": ""}, 401, "X-Grafana-Alerting-Timestamp is missing"),
        ({"now": lambda: datetime.now(UTC) - timedelta(hours=2)}, 401, "s in the past of this clock"),
        ({"now": lambda: datetime.now(UTC) + timedelta(hours=2)}, 401, "s in the future of this clock"),
    ],
)
def test_who_does_not_prove_itself_is_refused_and_the_log_holds_no_secret(
    grafana: Grafana,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    status: int,
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    sender = replace(grafana, **change)
    sender.fire("Error has risen", RISEN)
    got, said = sender.send(sender.build_body())
    assert (got, count(store, "alert"), count(store, "incident")) == (status, 0, 0)
    assert words in said["error"]
    assert words in caplog.text
    for secret in (SECRET, sender.secret, sender.bearer, *sender.sign(b"").values()):
        assert not (len(secret) > 20 and secret in caplog.text)


def test_a_body_that_was_changed_on_its_way_is_refused(grafana: Grafana, store: Store) -> None:
    grafana.fire("Error has risen", RISEN)
    body = grafana.build_body()
    changed = body.replace(b"Error has risen", b"Error has rizen")
    assert grafana.post(changed, grafana.sign(body))[0] == 401
    assert count(store, "alert") == 0


def test_a_replay_after_a_restart_is_the_alert_that_it_was(
    webhooks: Settings, store: Store, woken: list[tuple[str, str]]
) -> None:
    with serve(webhooks, woken) as url:
        grafana = Grafana(post_over_http(f"{url}/grafana"), SECRET)
        grafana.fire("Error has risen", RISEN)
        body, headers = grafana.build_body(), grafana.sign(grafana.build_body())
        assert grafana.post(body, headers)[0] == 202
    start_retraining(store, "retrain__bike_demand__incident_1", "bike_demand", 1, datetime.now(UTC))
    close_incident(store, 1, datetime.now(UTC), "kept_champion")
    woken.clear()
    with serve(webhooks, woken) as url:
        (answer,) = post_over_http(f"{url}/grafana")(body, headers)[1]["alerts"]
    assert (answer["incident"], answer["times"], count(store, "incident"), woken) == (1, 2, 1, [])


@pytest.mark.parametrize("content", [None, "", "short\n"])
def test_without_a_secret_every_alert_is_refused_and_the_start_says_so(
    webhooks: Settings,
    woken: list[tuple[str, str]],
    tmp_path: Path,
    store: Store,
    content: str | None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "none"
    if content is not None:
        path.write_text(content)
    closed = webhooks.model_copy(update={"webhook_secret_file": path})
    with serve(closed, woken) as url:
        for secret in (SECRET, content or "empty", ""):
            grafana = Grafana(post_over_http(f"{url}/grafana"), secret.strip())
            grafana.fire("Error has risen", RISEN)
            status, said = grafana.send(grafana.build_body())
            assert (status, said["error"]) == (
                503,
                "nobody can send alerts here at present: the log of Airflow's API server says why",
            )
            assert f"CYCLONE_WEBHOOK_SECRET_FILE={path}" in caplog.text
    assert (count(store, "alert"), woken) == (0, [])
    monkeypatch.setenv("CYCLONE_WEBHOOK_SECRET_FILE", str(path))
    say_if_closed()
    assert "every alert to /cyclone/webhooks is refused: CYCLONE_WEBHOOK_SECRET_FILE" in caplog.text


def test_a_bearer_key_of_the_scope_alert_opens_and_no_other_does(
    webhooks: Settings, woken: list[tuple[str, str]], tmp_path: Path, store: Store
) -> None:
    keys = tmp_path / "keys.json"
    good, other = add_key(keys, "alertmanager", ("alert",)), add_key(keys, "gateway", ("predict", "label"))
    keyed = webhooks.model_copy(update={"api_keys_file": keys, "webhook_secret_file": None})
    body = build_alertmanager_body({"alertname": "SlowAnswers", **RISEN}, datetime.now(UTC))
    with serve(keyed, woken) as url:
        post = post_over_http(f"{url}/alertmanager")
        assert [Grafana(post, bearer=key).send(body)[0] for key in (other, good + "x", "")] == [403, 401, 401]
        unread = (401, {"error": "no signature counts here: the log of Airflow's API server says why"})
        assert Grafana(post, SECRET).send(body) == unread, "there is no secret to sign with"
        assert count(store, "alert") == 0
        status, said = Grafana(post, bearer=good).send(body)
    assert (status, said["alerts"][0]["result"]) == (202, "retrain")
    assert execute(store, "SELECT sender, link, summary FROM alert") == [
        ("http://alertmanager:9093", "http://prometheus:9090/graph?g0.expr=up", "p99 is above one second")
    ]


def pack(*alerts: object, **more: object) -> bytes:
    return json.dumps({"alerts": alerts, **more}).encode()


SOUND = {"status": "firing", "labels": {"alertname": "a", **RISEN}, "startsAt": "2026-11-30T10:00:00Z"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'"alerts"', "no list `alerts`"),
        (b'{"alerts": {}}', "no list `alerts`"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"alerts":' * 200_000, "nested too deeply"),
        (b'{"alerts": [' + b"9" * 1_000_000 + b"]}", "no JSON"),
        (pack(*[{}] * 1001), "1001 are in one group"),
    ],
    ids=["empty", "binary", "a text", "no list", "deep lists", "deep objects", "a long number", "too many"],
)
def test_another_json_is_a_400(grafana: Grafana, store: Store, body: bytes, words: str) -> None:
    status, said = grafana.send(body)
    assert (status, words in said["error"]) == (400, True), said
    assert count(store, "alert") == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {**RISEN, "model": "../../etc/passwd"}}, "no such model"),
        ({"labels": {**RISEN, "model": "bike_demand'; DROP TABLE alert; --"}}, "no such model"),
        ({"labels": {**RISEN, "model": "bike_demand\nERROR root: all is lost"}}, "'bike_demand ERROR root"),
        ({"labels": {**RISEN, "model": 7}}, "label model is ''"),
        ({"labels": {**RISEN, "cyclone": "retrain\n"}, "fingerprint": "' OR 1"}, "fingerprint is missing"),
        ({"labels": {**RISEN, "cyclone": ["retrain"]}}, "label cyclone is ''"),
        ({"labels": None}, "it is no alert"),
        ({"fingerprint": "0" * 65}, "fingerprint is missing"),
        ({"startsAt": "0001-01-01T00:00:00Z"}, "startsAt is no time"),
        ({"startsAt": "yesterday"}, "startsAt is no time"),
        ({"startsAt": "2026-11-30T10:00:00"}, "startsAt is no time"),
        ({"startsAt": "9999-12-31T23:59:59-14:00"}, "startsAt is no time"),
        ({"startsAt": 17}, "startsAt is no time"),
        ({"startsAt": "2099-01-01T00:00:00Z"}, "2099-01-01T00:00:00Z is more than 5 minutes ahead of this clock"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_in_words_of_one_line(
    grafana: Grafana, store: Store, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], words: str
) -> None:
    status, said = grafana.send(pack({**SOUND, "fingerprint": "0123456789abcdef", **changes}))
    (answer,) = said["alerts"]
    assert (status, answer["result"]) == (200, "refused")
    assert words in answer["reason"]
    assert all(len(record.getMessage().splitlines()) == 1 for record in caplog.records)
    assert [count(store, table) for table in ("alert", "incident")] == [0, 0]


def test_any_text_may_stand_where_nothing_depends_on_it(grafana: Grafana, store: Store) -> None:
    odd = "'; DROP TABLE alert; --\n\x00\ud800\u202e" + "x" * 5000
    alert = {
        **SOUND,
        "labels": {"alertname": odd, **RISEN, "row": odd},
        "annotations": {"summary": odd, "description": 7},
        "fingerprint": "0123456789abcdef",
        "values": None,
        "generatorURL": "javascript:alert(1)",
        "panelURL": "http://ada:secret@grafana/d/1",
        "enrichments": {"a": [None]},
    }
    assert grafana.send(pack(alert, externalURL="http://[", truncatedAlerts=None, orgId="x"))[0] == 202
    ((name, summary, link, sender),) = execute(store, "SELECT name, summary, link, sender FROM alert")
    assert re.fullmatch(r"'; DROP TABLE alert; --    x+", name), name
    assert (len(name), len(summary)) == (200, 1000)
    assert (link, sender) == ("http://grafana/d/1", "")


def test_a_body_that_is_too_long_is_refused_before_it_is_read(url: str, grafana: Grafana) -> None:
    body = b" " * (10 * 2**20)
    assert grafana.send(body)[0] in (413, 0), "it is cut off while Grafana still sends"
    host, port = url.removeprefix("http://").split(":")
    signed = "".join(f"{name}: {value}\r\n" for name, value in grafana.sign(b"").items())
    for length, sent in ((f"Content-Length: {len(body)}", b""), ("Transfer-Encoding: chunked", b"")):
        with socket.create_connection((host, int(port)), timeout=20) as raw:
            raw.sendall(f"POST /grafana HTTP/1.1\r\nHost: x\r\n{signed}{length}\r\n\r\n".encode() + sent)
            if "chunked" in length:
                part = b"%x\r\n%s\r\n" % (2**16, b" " * 2**16)
                sent_bytes = 0
                while sent_bytes <= MOST_BYTES:
                    raw.sendall(part)
                    sent_bytes += 2**16
            assert b" 413 " in raw.recv(100).splitlines()[0]


def stall(stack: ExitStack, url: str, grafana: Grafana, sent: int) -> socket.socket:
    """A sender with a forged signature who sends so many bytes of a body of 2 MiB, and no more."""
    host, port = url.removeprefix("http://").split(":")
    raw = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
    forged = "".join(f"{name}: {value}\r\n" for name, value in grafana.sign(b"another").items())
    head = f"POST /grafana HTTP/1.1\r\nHost: x\r\n{forged}Content-Length: {MOST_BYTES}\r\n\r\n"
    raw.sendall(head.encode() + b" " * sent)
    return raw


@pytest.mark.parametrize(("strangers", "sent"), [(50, 1), (20, MOST_BYTES - 1)])
def test_strangers_whose_bodies_do_not_come_keep_nobody_waiting(
    url: str, grafana: Grafana, strangers: int, sent: int
) -> None:
    grafana.fire("Error has risen", RISEN)
    with ExitStack() as stack:
        for _ in range(strangers):
            stall(stack, url, grafana, sent)
        time.sleep(0.5)  # their heads have been read by then
        began = time.monotonic()
        assert grafana.send(grafana.build_body())[0] == 202
        assert time.monotonic() - began < BODY_SECONDS / 2


def test_when_bodies_are_too_many_bytes_the_slowest_gives_way(url: str, grafana: Grafana) -> None:
    with ExitStack() as stack:
        first, *others = (stall(stack, url, grafana, MOST_BYTES - 1) for _ in range(MOST_HELD_BYTES // MOST_BYTES))
        stall(stack, url, grafana, 9)
        assert b" 408 " in first.recv(100).splitlines()[0]
        for raw in others:
            raw.sendall(b" ")
            assert b" 401 " in raw.recv(100).splitlines()[0]


def test_webhooks_that_act_at_once_are_few_and_the_next_is_told_to_come_again(
    url: str, grafana: Grafana, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclone_airflow.webhook_app.TURN_SECONDS", 0.2)
    grafana.fire("Error has risen", RISEN)
    body = grafana.build_body()
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        with store.transaction() as transaction, transaction.connection.cursor() as cursor:
            cursor.execute("LOCK TABLE alert")  # so that who has a turn keeps it
            acting = [pool.submit(grafana.send, body) for _ in range(MOST_AT_ONCE)]
            wait_until(lambda: count_waiting(store) == MOST_AT_ONCE)
            reply = requests.post(f"{url}/grafana", data=body, headers=grafana.sign(body), timeout=30)
        assert [item.result()[0] for item in acting] == [202] * MOST_AT_ONCE
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "60")
    assert reply.json() == {"error": "too many webhooks come at once: send it again"}
    assert grafana.send(body)[0] == 202


def count_waiting(store: Store) -> int:
    """How many connections to the store wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(execute(store, waiting)[0][0])


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(50):
        if is_so():
            return
        time.sleep(0.1)
    pytest.fail("it did not come to that")


def test_a_body_is_signed_without_a_copy_of_it() -> None:
    body = bytearray(MOST_BYTES)
    tracemalloc.start()
    sign(SECRET.encode(), "1764502800", body)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MOST_BYTES / 10


def test_a_webhook_is_answered_while_the_threads_of_other_endpoints_are_all_busy(
    webhooks: Settings, woken: list[tuple[str, str]], store: Store
) -> None:
    app = build_app(webhooks, lambda model, run: True)

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        threads = to_thread.current_default_thread_limiter()
        for number in range(int(threads.available_tokens)):
            await threads.acquire_on_behalf_of(number)
        with fail_after(20):
            await app(scope, receive, send)

    with serve_app(busy) as url:
        grafana = Grafana(post_over_http(f"{url}/grafana"), SECRET)
        grafana.fire("Error has risen", RISEN)
        assert grafana.send(grafana.build_body())[0] == 202


def test_the_app_is_built_once_while_other_requests_go_on(
    webhooks: Settings, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    went_on: list[bool] = []

    def build_slowly() -> Starlette:
        went_on.append(other_request.wait(5))
        return build_app(webhooks, lambda model, run: True)

    monkeypatch.setattr("cyclone_airflow.webhook_app.build_app", build_slowly)
    other_request = threading.Event()
    lazy = make_webhooks()

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/other":
            other_request.set()
            await JSONResponse({})(scope, receive, send)
        else:
            await lazy(scope, receive, send)

    with serve_app(pages) as url, ThreadPoolExecutor(3) as pool:
        grafana = Grafana(post_over_http(f"{url}/grafana"), SECRET)
        grafana.fire("Error has risen", RISEN)
        replies = [pool.submit(grafana.send, grafana.build_body()) for _ in range(3)]
        time.sleep(0.5)  # all three have come by then
        requests.get(f"{url}/other", timeout=30)
        assert [reply.result()[0] for reply in replies] == [202] * 3
    assert went_on == [True]


def test_settings_that_cannot_be_used_are_a_503_until_they_are_mended(
    webhooks: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, store: Store
) -> None:
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    monkeypatch.setenv("CYCLONE_WEBHOOK_SECRET_FILE", str(webhooks.webhook_secret_file))
    monkeypatch.setenv("CYCLONE_CLOCK", "sundial")
    with serve_app(make_webhooks()) as url:
        grafana = Grafana(post_over_http(f"{url}/grafana"), SECRET)
        said = {"error": "Cyclone's settings cannot be used: the log of Airflow's API server says why"}
        assert [grafana.send(pack()) for _ in range(2)] == [(503, said)] * 2
        assert "sundial" in caplog.text
        monkeypatch.setenv("CYCLONE_CLOCK", "wall")
        assert grafana.send(pack())[0] == 200


def test_nothing_else_answers_and_nothing_redirects(url: str) -> None:
    for method, path, status in (
        ("GET", "/grafana", 405),
        ("POST", "/grafana/", 404),
        ("POST", "/", 404),
        ("POST", "/slack", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 404),
    ):
        assert requests.request(method, url + path, timeout=30, allow_redirects=False).status_code == status, path
