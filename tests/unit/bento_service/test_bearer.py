"""Who is asked for a key: whoever the router would give an answer that is not open, however the path is spelled."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from bento_service import logging_proxy, rehearsal
from bento_service.bearer import BearerKeys
from bento_service.logging_proxy import Served
from cyclone.image_contract import REHEARSAL_HEADER
from cyclone.keys import KeyRing, add_key
from cyclone.settings import Settings
from cyclone.spec import ModelSpec

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "predict", "")
DECLARED = ("/predict", "/labels", "/healthz", "/metrics", "/schema.json", "/inner/predict", "/healthz/predict", "/")
SPELLINGS = (
    *(
        "{}",
        "{}\n",
        "{}\r\n",
        "{}\n\n",
        "\n{}",
        "{}/",
        "{}//",
        "/{}",
        "//{}",
        "/.{}",
        "/x/..{}",
        "{}/.",
        "{}/x",
        "{}?x",
    ),
    *("{};x", "{}%0A", "{}%2F", "{}\0", "{} ", " {}", "{}\t", "{}\x0b", "{}\x85", "{}\u2028", "{}.json", "{}#", "x{}"),
)
PATHS = tuple(
    variant
    for path in DECLARED
    for spelling in SPELLINGS
    for variant in (spelling.format(path), spelling.format(path.upper()), spelling.format(path.title()))
)
REFUSED = '{"error": "a key is needed: Authorization: Bearer <key>", "details": []}'


def answer_with(name: str) -> Any:
    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse(name)

    return answer


async def greet(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def build_app(keys: Path | None) -> Starlette:
    """One of each sort of route, those of the service among them."""
    inner = Starlette(routes=[Route("/predict", answer_with("inner"), methods=["POST"])])
    routes = [
        Host("other.example", app=Starlette(routes=[Route("/healthz", answer_with("other"))])),
        Route("/healthz", answer_with("open")),
        Route("/metrics", answer_with("open")),
        Route("/predict", answer_with("predict"), methods=["POST"]),
        Route("/labels", answer_with("labels"), methods=["POST"]),
        Route("/schema.json", answer_with("schema")),
        Mount("/inner", app=inner),
        WebSocketRoute("/predict", greet),
        Route("/", answer_with("open")),
    ]
    return Starlette(routes=routes, middleware=[Middleware(BearerKeys, keys=KeyRing(keys))] if keys else [])


def ask(
    app: Starlette, method: str, path: str, headers: dict[str, str] | None = None, kind: str = "http"
) -> tuple[int, str]:
    """Status and body, or the type of the first message to a websocket. The path is decoded, as servers hand it on."""
    sent: list[dict[str, Any]] = []
    head = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": kind, "method": method, "path": path, "headers": head, "query_string": b"", "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    with suppress(StopIteration):
        app(scope, receive, send).send(None)  # nothing here waits, so no loop is needed: there are thousands of calls
    body = b"".join(message.get("body", b"") for message in sent).decode()
    return sent[0].get("status", 0), body if kind == "http" else sent[0]["type"]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    add_key(tmp_path / "keys.json", "nobody", ())
    return tmp_path / "keys.json"


@pytest.mark.parametrize("method", METHODS)
def test_without_a_key_only_what_is_open_is_answered_however_it_is_spelled(keys: Path, method: str) -> None:
    open_app, guarded_app = build_app(None), build_app(keys)
    bare = {path: ask(open_app, method, path) for path in PATHS}
    guarded = {path: ask(guarded_app, method, path) for path in PATHS}
    closed = [path for path, (_, body) in bare.items() if body != "open"]
    assert [path for path in closed if guarded[path][0] == 200] == []
    assert {guarded[path] for path in closed} == {(401, REFUSED)}
    assert {path: guarded[path] for path in PATHS if path not in closed} == {
        path: answer for path, answer in bare.items() if path not in closed
    }
    if method == "POST":  # the spellings do reach what they are for
        assert {200, 307, 404, 405} <= {status for status, _ in bare.values()}
        assert [bare[path][1] for path in ("/predict\n", "/labels\n", "/inner/predict")] == [
            "predict",
            "labels",
            "inner",
        ]


@pytest.mark.parametrize("path", ["/predict", "/predict\n", "/healthz", "/nowhere"])
def test_a_websocket_is_closed_without_a_key(keys: Path, path: str) -> None:
    assert ask(build_app(keys), "GET", path, kind="websocket") == (0, "websocket.close")


def test_a_host_of_another_name_is_not_open_for_having_an_open_path(keys: Path) -> None:
    host = {"host": "other.example"}
    assert ask(build_app(None), "GET", "/healthz", host) == (200, "other")
    assert ask(build_app(keys), "GET", "/healthz", host)[0] == 401


def test_a_key_opens_its_scope_however_it_is_spelled_and_any_key_what_has_none(keys: Path) -> None:
    app = build_app(keys)
    predict, label, without = (
        {"authorization": f"Bearer {add_key(keys, name, scopes)}"}  # type: ignore[arg-type]
        for name, scopes in (("predictor", ("predict",)), ("labeller", ("label",)), ("watcher", ()))
    )
    for end in ("", "\n"):
        asked = [[ask(app, "POST", path + end, key) for key in (predict, label, without)] for path in DECLARED[:2]]
        assert [[status for status, _ in row] for row in asked] == [[200, 403, 403], [403, 200, 403]]
    assert [ask(app, "GET", "/schema.json", key) for key in (predict, label, without)] == [(200, "schema")] * 3
    assert [ask(app, "POST", path, without)[0] for path in ("/inner/predict", "/nowhere", "/healthz")] == [
        200,
        404,
        405,
    ]
    assert ask(app, "GET", "/predict", predict, kind="websocket") == (0, "websocket.accept")


def test_the_token_of_a_rehearsal_opens_predict_and_nothing_else(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "TOKEN", "drawn")
    app, token = build_app(keys), {REHEARSAL_HEADER: "drawn"}
    asked = {(method, path): ask(app, method, path, token) for method in ("GET", "POST") for path in PATHS}
    opened = {key for key, (status, body) in asked.items() if status != 401 and body != "open"}
    assert opened == {("POST", "/predict"), ("POST", "/predict\n")}
    assert {asked[key] for key in opened} == {(200, "predict")}
    assert ask(app, "POST", "/predict", {REHEARSAL_HEADER: "guessed"})[0] == 401
    label = {"authorization": f"Bearer {add_key(keys, 'labeller', ('label',))}"}
    assert ask(app, "POST", "/labels", token | label)[0] == 200


def test_the_logging_proxy_asks_by_its_table_too(keys: Path, bike_demand: ModelSpec, tmp_path: Path) -> None:
    served = Served(bike_demand, 1, "bike-demand-v1", "http://127.0.0.1:1/predict")
    app = logging_proxy.build_app(served, Settings(store_dsn="never asked", api_keys_file=keys, spool_dir=tmp_path))
    asked = [ask(app, "POST", path + end) for path in ("/predict", "/labels", "/nowhere") for end in ("", "\n", "/")]
    assert asked == [(401, REFUSED)] * 9
    assert [ask(app, "GET", path)[0] for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
