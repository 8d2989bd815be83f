"""Bearer keys in front of a running service."""

import http.client
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from bento_service.bearer import OPEN
from cyclone.image_contract import REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE
from cyclone.keys import add_key, read_keys, revoke_key
from cyclone.store import Store
from tests.support.serving import ROW, TARGET, Service, run_service

TOKEN = "drawn-at-deployment"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
SPELLINGS = ("{}", "{}%0A", "{}%0a", "{}%0D%0A", "{}/", "{}?x=1", "/{}", "//{}", "{}%2F", "{}%00", "{};x", "/%2e{}")
LIST_ROUTES = """
import json
from bento_service.service import PredictionService

routes = PredictionService.to_asgi(is_main=True).routes
print(json.dumps([[route.path, sorted(getattr(route, "methods", []))] for route in routes]))
"""


def ask(service: Service, path: str, key: str | None, body: Any) -> tuple[int, str | None, Any]:
    """Status, the challenge, and what the answer says."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.getheader("WWW-Authenticate"), json.loads(response.read())


def find_secured(service: Service) -> dict[str, list[str]]:
    """The paths that ask for a bearer key by the OpenAPI page, and which answers without one it names."""
    page = service.call("GET", "/docs.json")[1]
    (name,) = [name for name, scheme in page["components"]["securitySchemes"].items() if scheme["scheme"] == "bearer"]
    operations = {path: operation for path, item in page["paths"].items() for operation in item.values()}
    return {
        path: [status for status in operation["responses"] if status in ("401", "403")]
        for path, operation in operations.items()
        if operation.get("security") == [{name: []}]
    }


def test_keys_open_what_they_are_for_and_rotate_while_the_service_runs(
    bundle: Path, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    predict, label = add_key(path, "predictor", ("predict",)), add_key(path, "labeller", ("label",))
    rows, labels = {"rows": [ROW]}, {"labels": [{"id": "a", "label": 1}]}
    with run_service(bundle, store, tmp_path, TARGET, tmp_path, {"CYCLONE_API_KEYS_FILE": str(path)}) as service:
        status, challenge, answer = ask(service, "/predict", None, rows)
        assert (status, challenge) == (401, 'Bearer realm="cyclone"')
        assert answer == {"error": "a key is needed: Authorization: Bearer <key>", "details": []}
        for wrong in (predict[:-1], read_keys(path)[0].sha256):
            status, challenge, answer = ask(service, "/predict", wrong, rows)
            assert (status, challenge) == (401, 'Bearer realm="cyclone", error="invalid_token"')
        assert find_secured(service) == {"/predict": ["401", "403"], "/labels": ["401", "403"]}
        assert ask(service, "/predict", predict, rows)[0] == 200
        assert ask(service, "/labels", label, labels)[0] == 200
        status, challenge, _ = ask(service, "/labels", predict, labels)
        assert (status, challenge) == (403, 'Bearer realm="cyclone", error="insufficient_scope", scope="label"')
        assert ask(service, "/predict", label, rows)[0] == 403
        assert [service.call("GET", page)[0] for page in ("/healthz", "/readyz", "/metrics", "/docs.json")] == [200] * 4

        newer = add_key(path, "predictor 2", ("predict",))
        assert [ask(service, "/predict", key, rows)[0] for key in (predict, newer)] == [200, 200]
        revoke_key(path, "predictor")
        assert [ask(service, "/predict", key, rows)[0] for key in (predict, newer)] == [401, 200]
        assert newer not in service.process.log_path.read_text()


def list_routes(bundle: Path, store: Store) -> dict[str, list[str]]:
    """The table that a service answers by: each route's path with its methods, of which a folder has none."""
    env = {"PATH": "", "BENTOML_DO_NOT_TRACK": "True", "HOME": str(bundle), "CYCLONE_STORE_DSN": store.dsn}
    command = [sys.executable, "-c", LIST_ROUTES]
    listed = subprocess.run(command, cwd=bundle, env=env, capture_output=True, text=True, check=True)
    return dict(json.loads(listed.stdout.splitlines()[-1]))


def ask_plainly(service: Service, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read()


def test_without_a_key_every_route_that_is_not_open_answers_401_however_it_is_spelled(
    bundle: Path, store: Store, tmp_path: Path
) -> None:
    add_key(tmp_path / "keys.json", "nobody", ())
    variables = {"CYCLONE_API_KEYS_FILE": str(tmp_path / "keys.json"), REHEARSAL_TOKEN_VARIABLE: TOKEN}
    routes = list_routes(bundle, store)
    assert {"/predict", "/labels", "/schema.json", "/livez", "/docs.json"} <= set(routes)
    closed = set(routes) - OPEN
    predict, label = json.dumps({"rows": [ROW]}).encode(), json.dumps({"labels": [{"id": "a", "label": 1}]}).encode()
    with run_service(bundle, store, tmp_path, TARGET, tmp_path, variables) as service:
        answers = {
            (method, spelling.format(path)): ask_plainly(service, method, spelling.format(path), {}, body)[0]
            for path in [*closed, "/nowhere"]
            for spelling in SPELLINGS
            for method in METHODS
            for body in ((label if path == "/labels" else predict),)
        }
        assert {key: status for key, status in answers.items() if status != 401} == {}
        opened = [path if methods else f"{path}/index.css" for path, methods in routes.items() if path in OPEN]
        assert [ask_plainly(service, "GET", path, {}, b"")[0] for path in opened] == [200] * len(opened)
        marked = {REHEARSAL_HEADER: TOKEN}
        assert ask_plainly(service, "POST", "/predict", marked, predict)[0] == 200  # a rehearsal's
        assert [ask_plainly(service, "POST", f"/labels{end}", marked, label)[0] for end in ("", "%0A")] == [401, 401]
        assert [ask_plainly(service, "GET", path, marked, b"")[0] for path in ("/schema.json", "/predict")] == [
            401,
            401,
        ]
        service.process.stop()
        assert service.query("SELECT (SELECT count(*) FROM prediction_log), (SELECT count(*) FROM label)") == [(0, 0)]
