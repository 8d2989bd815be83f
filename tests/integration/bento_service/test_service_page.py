"""The page of a service in a real browser, where a person sends a row, and the OpenAPI document beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cyclone.store import Store
from tests.support.browsing import open_browser
from tests.support.serving import Service, run_service, wait_until


@pytest.fixture(scope="module")
def service(bundle: Path, tmp_path_factory: pytest.TempPathFactory, module_store: Store) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("served")
    with run_service(bundle, module_store, folder, "bento_service.service:PredictionService", folder) as running:
        yield running


def test_a_person_sends_the_example_row_and_then_a_bad_one(service: Service) -> None:
    with open_browser() as browser:
        page = browser.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{service.port}/")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("Answered 200 in").wait_for()
        assert '"model": "bike_demand"' in page.locator("#answer").inner_text()
        assert faults == []
        body = page.get_by_label("Body of POST /predict")
        body.fill(body.input_value().replace('"hour": ', '"hour": 99'))
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the keyboard alone will do
        page.get_by_text("Answered 400 in").wait_for()
        assert '"allowed": "an integer from 0 to 23"' in page.locator("#answer").inner_text()
    wait_until(lambda: service.query("SELECT count(*) FROM prediction_log") == [(1,)], "the good row is stored")


def test_the_openapi_document_has_what_the_service_takes_and_answers(service: Service) -> None:
    document = service.call("GET", "/docs.json")[1]
    for path, sent in (("/predict", {"rows": [{}]}), ("/labels", {"labels": []}), ("/labels", [1])):
        operation = document["paths"][path]["post"]
        status, refusal = service.call("POST", path, sent)
        described = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        assert described == {"$ref": "#/components/schemas/Refusal"}
        assert_is_described(refusal, document["components"]["schemas"]["Refusal"])
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert service.call("POST", path, example)[0] == 200


def assert_is_described(refusal: dict[str, Any], schema: dict[str, Any]) -> None:
    assert set(refusal) == set(schema["required"]) == set(schema["properties"])
    described = schema["properties"]["details"]["items"]["required"]
    assert all(set(detail) == set(described) for detail in refusal["details"])
