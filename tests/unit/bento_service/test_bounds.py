import json
from typing import Any

import pytest

from bento_service.bounds import STRING_BYTES, find_excess

ROW = {"a": 1, "text": "x", "b": 2.5}


def find(body: Any, entries: int = 3) -> str | None:
    return find_excess(body if isinstance(body, bytes) else json.dumps(body).encode(), entries, fields=len(ROW))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {"rows": [ROW]},
        {"rows": [ROW] * 3, "ids": ["a"] * 3, "created_at": ["2011-01-01T00:00Z"] * 3},
        {"rows": [{**ROW, "text": "[{," * 1000}]},
        {"rows": [{**ROW, "text": '\\"[{,' * 1000}]},
        {"rows": [{**ROW, "text": "x" * STRING_BYTES}]},
        b'{"rows": [{"text": "never closed' + b"[{," * 1000,
        b'{"rows": [{"text": "never closed' + b'\\"[{,' * 1000 + b"\\",
    ],
)
def test_what_a_request_may_hold_passes_brackets_within_texts_included(body: Any) -> None:
    assert find(body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"rows": [ROW] * 8}, "more than the 3 entries that one request may carry"),
        ({"rows": [ROW], "ids": [[[[[[[[]]]]]]]]}, "more than the 3 entries that one request may carry"),
        (b"[" * 10_000_000, "more than the 3 entries that one request may carry"),
        (b'{"rows": [' + b"1," * 10_000, "more values than 3 entries of 3 fields have"),
        ({"rows": [{**ROW, "text": "x" * (STRING_BYTES + 1)}]}, f"a text, or a gap, longer than {STRING_BYTES} bytes"),
        (b'{"rows": [' + b'"[",' * 1_000_000, "more texts than 3 entries of 3 fields have"),
        (b'"' * 100_000 + b"[" * 100, "more texts than 3 entries of 3 fields have"),
        (b"[" * 100 + b'"' + b'\\"' * 1_000_000, "more than the 3 entries that one request may carry"),
    ],
)
def test_more_than_that_is_told(body: Any, words: str) -> None:
    assert find(body) == words
