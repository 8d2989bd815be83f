"""Bearer keys in front of a running service."""

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from cyclone.keys import add_key, read_keys, revoke_key
from cyclone.store import Store
from tests.integration.serving import ROW, TARGET, Service, run_service


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
