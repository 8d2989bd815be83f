import html
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bento_service.bundle import Bundle
from bento_service.page import HEADERS, build_page
from cyclone.spec import ModelSpec

MARKUP = "<script>alert('$x')</script>\"&amp;"


def make_page(asks_for_key: bool = False, **changes: Any) -> str:
    spec = {
        "name": "churn",
        "task": "binary",
        "features": [{"name": "plan", "type": "category", "values": ["it's free", "paid"], "nullable": True}],
        "label": {"name": "left", "type": "boolean", "expected_delay_hours": 24},
    }
    return build_page(Bundle(Path(), ModelSpec.model_validate(spec | changes), 7, ()), asks_for_key)


def test_a_page_says_what_the_model_is_and_how_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_REVISION", "churn-v7-c2")
    page = html.unescape(make_page(description="Who will leave."))
    assert "<title>churn, version 7</title>" in page
    assert "<p>Who will leave.</p>" in page
    assert "<dd>churn-v7-c2</dd>" in page
    assert "<dd>the probability of left</dd>" in page
    assert "one of \"it's free\", 'paid' or null" in page
    assert """-d '{"rows": [{"plan": "it'"'"'s free"}]}'""" in page
    assert """-d '{"labels": [{"id": "order-1", "label": true}]}'""" in page
    assert """requests.post(f"{URL}/predict", json={'rows': [{'plan': "it's free"}]}, timeout=10)""" in page
    assert "<code>503</code> The evaluation store does not answer." in page
    assert "Bearer <key>" not in page
    assert 'id="key"' not in page


def test_the_page_of_a_service_that_asks_for_keys_says_where_they_go() -> None:
    page = html.unescape(make_page(asks_for_key=True))
    assert page.count("-H 'Authorization: Bearer <key>'") == 2
    assert page.count('headers={"Authorization": "Bearer <key>"}') == 1
    assert page.count("<code>401</code>") == page.count("<code>403</code>") == 2
    assert '<input id="key" type="password"' in page


def test_the_pages_policy_lets_its_own_script_run_and_no_other() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", make_page(), re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    directives = dict(each.strip().split(" ", 1) for each in HEADERS["Content-Security-Policy"].split(";"))
    assert directives["script-src"] == f"'sha256-{digest}'"
    assert directives["connect-src"] == "'self'"
    assert directives["default-src"] == directives["form-action"] == "'none'"


def test_nothing_that_a_model_is_called_becomes_markup_and_nothing_is_loaded() -> None:
    feature = {"name": MARKUP, "type": "category", "values": [MARKUP]}
    label = {"name": f"a {MARKUP}", "type": "category", "values": [MARKUP, "other"], "expected_delay_hours": 1}
    page = make_page(task="multiclass", description=MARKUP, features=[feature], label=label)
    tag = re.compile(r"<[^>]*>")
    assert set(tag.findall(page)) == set(tag.findall(make_page(description="plain")))
    assert page.count(html.escape(MARKUP)) >= 4
    assert set(re.findall(r'\b(?:src|href|action)="([^"]*)"', page)) == {"docs.json", "metrics", "healthz"}
    assert not re.search(r"url\(|@import|//", page)


def test_a_model_without_a_description_has_none() -> None:
    assert "<p></p>" not in make_page()
