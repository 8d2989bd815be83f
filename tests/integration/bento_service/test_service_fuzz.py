"""Whatever comes: no 5xx, no hang, no memory that stays. Seeded, so that a failure comes again."""

import http.client
import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from cyclone.store import Store
from tests.support.serving import ROW, TARGET, Service, run_service, wait_until

SEED = 20261124
MUTATIONS = 1500
GROWTH_MB = 48
"""Allocators keep some; what a leak of each body would hold is more."""
ANSWER_SECONDS = 10
PREDICT = json.dumps({"rows": [ROW], "ids": ["fuzz"], "created_at": ["2011-02-01T00:00Z"]}).encode()
LABELS = json.dumps({"labels": [{"id": "fuzz", "label": 1, "observed_at": "2011-02-02T00:00Z"}]}).encode()
PIECES = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e-999", b"1" * 400, b"9" * 5000, b"0.1e+", b"-", b"01", b"0x10"),
    *(
        b"null",
        b"true",
        b"{}",
        b"[]",
        b'""',
        b'"\\u0000"',
        b'"\\ud800"',
        b'"\\',
        b"\xff\xfe",
        b"\xc0\x80",
        b"\xed\xa0\x80",
    ),
    *(
        b"[" * 300,
        b'{"a":' * 300,
        b"{" * 2000,
        b'"rows":[],',
        b'"hour":3,"hour":4,',
        b"//",
        b"/*",
        b"\x00",
        b"\xef\xbb\xbf",
    ),
    *(b"," * 20, b'"' + b"x" * 70_000 + b'"', b"'", b"18446744073709551616", b"[1,2,3]", b"\xed\xa0\x80"),
]
CONTENT_TYPES = [
    *("application/json", "text/plain", "application/octet-stream", "multipart/form-data", "application/xml", ""),
    *("application/x-www-form-urlencoded", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "é"),
    *("application/vnd.bentoml+pickle", "application/vnd.bentoml.stream+pickle"),
]


@pytest.fixture(scope="module")
def service(bundle: Path, module_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("fuzzed")
    with run_service(bundle, module_store, folder, TARGET, folder) as running:
        yield running


def ask(service: Service, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """The answer. A service that hangs is a timeout, and with it a failed test."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=ANSWER_SECONDS)) as connection:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def mutate(generator: random.Random, body: bytes) -> bytes:
    """The body with one to four things done to its bytes."""
    for _ in range(generator.randint(1, 4)):
        at, to = sorted(generator.randrange(len(body) + 1) for _ in range(2))
        piece = generator.choice(PIECES)
        body = generator.choice(
            [
                body[:at],
                body[at:],
                body[:at] + body[to:],
                body[:at] + piece + body[at:],
                body[:at] + piece + body[to:],
                body[:at] + body[at:to] * 3 + body[to:],
                body[:at] + generator.randbytes(3) + body[at + 3 :],
                replace_value(generator, body, piece),
            ]
        )
    return body


def replace_value(generator: random.Random, body: bytes, piece: bytes) -> bytes:
    """The piece in the place of what stands between a colon and a comma: the body often stays valid JSON."""
    colons = [place for place, byte in enumerate(body) if byte == ord(":")] or [0]
    start = generator.choice(colons) + 1
    end = body.find(b",", start)
    return body[:start] + piece + body[end if end > 0 else len(body) :]


def measure_mb(service: Service) -> float:
    parent = psutil.Process(service.process.pid)
    return sum(process.memory_info().rss for process in (parent, *parent.children(recursive=True))) / 1e6


def check(service: Service, path: str, body: bytes, headers: dict[str, str]) -> int:
    status, answer = ask(service, path, body, headers)
    assert status < 500, (path, headers, body[:2000], answer[:2000])
    assert b"Traceback" not in answer, (path, headers, body[:2000])
    assert b"site-packages" not in answer, (path, headers, body[:2000])
    return status


@pytest.mark.parametrize(
    ("path", "body", "reached"),
    # An id in `/predict` that comes with another row is a conflict. A label may change: the last to arrive counts.
    [("/predict", PREDICT, {200, 400, 409, 413}), ("/labels", LABELS, {200, 400, 413})],
    ids=["predict", "labels"],
)
def test_mutated_bytes_get_an_answer_that_is_no_5xx_and_leave_no_memory_behind(
    service: Service, path: str, body: bytes, reached: set[int]
) -> None:
    generator = random.Random(SEED)
    headers = {"Content-Type": "application/json"}
    seen = {check(service, path, mutate(generator, body), headers) for _ in range(300)}
    before = measure_mb(service)
    seen |= {check(service, path, mutate(generator, body), headers) for _ in range(MUTATIONS)}
    assert seen == reached
    assert measure_mb(service) - before < GROWTH_MB
    assert check(service, path, body, headers) == 200


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_wrong_content_type_is_no_5xx(service: Service, content_type: str) -> None:
    for path, body in (("/predict", PREDICT), ("/labels", LABELS)):
        for content in (body, b"", b"--x\r\n\r\n--x--", b"\x80\x04N."):
            check(service, path, content, {"Content-Type": content_type.encode().decode("latin-1")})
    check(service, "/predict", PREDICT, {"Content-Type": content_type, "Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows": [' + b"{}," * 3_000_000 + b"{}]}",
        b'{"rows": [' + b"1," * 4_000_000 + b"1]}",
        b'{"rows": [' + b'"[",' * 2_000_000 + b"1]}",
        b"[" * 10_000_000,
        b'{"rows": "' + b"a" * 10_000_000 + b'"}',
        b'{"rows": ' + b"9" * 10_000_000 + b"}",
        b" " * 20_000_000,
    ],
)
def test_a_large_body_is_refused_without_the_memory_of_what_it_would_hold(service: Service, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    check(service, "/predict", PREDICT, headers)
    for _ in range(3):
        check(service, "/predict", body, headers)
    before = measure_mb(service)
    assert {check(service, path, body, headers) for path in ("/predict", "/labels") for _ in range(3)} <= {400, 413}
    assert measure_mb(service) - before < GROWTH_MB


def test_a_client_that_trickles_or_leaves_holds_up_nobody(service: Service) -> None:
    """Bodies that never end, that are shorter than they say, and in chunks that are none."""
    import socket

    openings = [
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{",
        b"POST /predict HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ]
    sockets = [socket.create_connection(("127.0.0.1", service.port), ANSWER_SECONDS) for _ in openings * 10]
    for number, connection in enumerate(sockets):
        connection.sendall(openings[number % len(openings)])
    assert check(service, "/predict", PREDICT, {"Content-Type": "application/json"}) == 200
    for connection in sockets:
        connection.close()
    assert check(service, "/predict", PREDICT, {"Content-Type": "application/json"}) == 200


@pytest.mark.parametrize("path", ["/predict", "/labels"])
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_what_the_openapi_page_promises_or_forbids_is_no_5xx(service: Service, path: str, mode: str) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is in the dev extra")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/docs.json")
    strategy = schema[path]["POST"].as_strategy(generation_mode=schemathesis.GenerationMode[mode])
    statuses: set[int] = set()

    @settings(  # type: ignore[untyped-decorator]
        max_examples=100,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=strategy)  # type: ignore[untyped-decorator]
    def run(case: Any) -> None:
        response = case.call(timeout=ANSWER_SECONDS)
        statuses.add(response.status_code)
        assert response.status_code < 500, (case.body, response.text)

    run()
    assert statuses & ({200} if mode == "POSITIVE" else {400, 413}) != set()


def test_the_log_still_adds_up_after_all_this(service: Service) -> None:
    assert service.predict(ROW, ids=["after the storm"], created_at=["2011-02-01T00:00Z"])[0] == 200
    wait_until(lambda: len(service.read_rows(["after the storm"])) == 1, "the last row is stored")
    wait_until(lambda: service.read_ledger() == [(0, False)], "every row is accounted for")
    log = service.process.log_path.read_text()
    assert log.count("Traceback") == log.count("pickle is not allowed in main server\n")  # BentoML's own refusal
