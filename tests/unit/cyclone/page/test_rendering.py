"""What is filled into the page's HTML."""

import doctest
from datetime import datetime, timedelta, timezone
from importlib import import_module

import pytest

from cyclone.page.rendering import FOLDER, HEADERS, format_moment, mark_code, render

MODULES = sorted(f"cyclone.page.{path.stem}" for path in FOLDER.glob("[!_]*.py"))
HOSTILE = "<script>alert('x')</script>\"&"


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_hold(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_a_moment_is_in_utc_for_whoever_runs_no_script() -> None:
    at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert str(format_moment(at)) == '<time datetime="2026-02-28T23:30:00Z">2026-02-28 23:30 UTC</time>'
    assert format_moment(None) == "\N{EN DASH}"


def test_words_of_others_are_escaped_also_between_backticks() -> None:
    assert "<script>" not in str(mark_code(f"run `{HOSTILE}` or {HOSTILE}"))
    assert str(mark_code("an odd ` alone")) == "an odd ` alone"


def test_a_message_escapes_what_it_is_given() -> None:
    link = {"href": HOSTILE, "words": HOSTILE, "out": False}
    html = render("message", root="/cyclone", title=HOSTILE, words=HOSTILE, link=link)
    assert "alert(&#39;x&#39;)" in html
    assert "<script>alert" not in html
    assert 'href="&lt;script&gt;' in html


def test_what_a_view_forgets_to_give_is_an_error_and_not_a_gap() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="words"):
        render("message", root="", title="a title", link=None)


def test_nothing_that_the_page_loads_is_of_another_host() -> None:
    for path in [*FOLDER.glob("templates/*"), *FOLDER.glob("static/*")]:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("https", "http"), path
        assert "//" not in text.replace("// ", ""), path
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
    assert "script-src 'self'" in HEADERS["Content-Security-Policy"]
