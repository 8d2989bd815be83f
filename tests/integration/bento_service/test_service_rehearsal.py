"""Requests of a rehearsal, as a running service treats them."""

import http.client
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bento_service.rehearsal import is_expired
from cyclone.image_contract import API_KEYS_FILE_VARIABLE, REHEARSAL_HEADER, REHEARSAL_TOKEN_VARIABLE
from cyclone.keys import add_key
from cyclone.store import Store
from releasing.revision_environment import draw_token
from tests.support.serving import ROW, TARGET, Service, run_service, wait_until

TOKEN = "drawn-at-deployment"


def ask(service: Service, headers: dict[str, str], row: Any, id_: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        body = json.dumps({"rows": [row], "ids": [id_]})
        connection.request("POST", "/predict", body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        response.read()
        return response.status


def test_a_marked_request_is_answered_without_a_key_and_neither_logged_nor_counted(
    bundle: Path, store: Store, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    client = {"Authorization": f"Bearer {add_key(keys, 'predictor', ('predict',))}"}
    variables = {API_KEYS_FILE_VARIABLE: str(keys), REHEARSAL_TOKEN_VARIABLE: TOKEN}
    with run_service(bundle, store, tmp_path, TARGET, tmp_path, variables) as service:
        assert ask(service, {REHEARSAL_HEADER: TOKEN}, ROW, "rehearsed") == 200
        assert ask(service, {REHEARSAL_HEADER: TOKEN}, ROW | {"hour": 24}, "refused") == 400
        assert ask(service, {REHEARSAL_HEADER: "guessed"}, ROW, "no key") == 401
        assert ask(service, {REHEARSAL_HEADER: "guessed", **client}, ROW, "logged") == 200
        counted = "SELECT coalesce(sum(requests), 0) FROM request_stat"
        wait_until(lambda: service.query(counted) == [(1,)], "the one request of a client is counted")
        assert service.query("SELECT id FROM prediction_log") == [("logged",)]


def test_a_token_that_is_over_is_refused_and_its_rows_are_never_logged(
    bundle: Path, store: Store, tmp_path: Path
) -> None:
    for end, status in ((int(time.time()) - 1, 403), (int(time.time()) + 3600, 200)):
        token = f"{TOKEN}.{end}"
        with run_service(bundle, store, tmp_path, TARGET, tmp_path, {REHEARSAL_TOKEN_VARIABLE: token}) as service:
            assert ask(service, {REHEARSAL_HEADER: token}, ROW, "rehearsed") == status
            assert ask(service, {REHEARSAL_HEADER: TOKEN}, ROW, f"logged-{status}") == 200
            wait_until(lambda: service.read_rows([f"logged-{status}"]) != [], "a client's row is logged")  # noqa: B023
            assert service.read_rows(["rehearsed"]) == []


def test_a_deployment_draws_a_token_for_a_day() -> None:
    one, other = draw_token(), draw_token()
    assert one != other
    assert time.time() < int(one.rpartition(".")[2]) <= time.time() + 24 * 3600
    assert not is_expired(one)
    assert is_expired("x.1")
    assert not is_expired("given-by-hand")
