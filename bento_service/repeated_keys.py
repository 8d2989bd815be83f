"""Finds keys that stand more than once in one object of a body.

A JSON reader keeps the last of them and says nothing. The client would not know which of its values was predicted.
"""

import json
from dataclasses import dataclass
from typing import Any

from bento_service.bounds import remove_texts

GAPS = (b" :", b"\t:", b"\n:", b"\r:")
"""A colon after each blank of JSON."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that stands more than once in one object, and its values. `index` is None for the body itself."""

    index: int | None
    key: str
    values: list[Any]


def find_repeated(content: bytes, body: dict[str, Any], entries: list[Any]) -> list[Repeated]:
    """The repeated keys of a body that was parsed, one for each object that has any.

    Only the body and its `entries` are looked at: other objects are refused as values. Counting takes less time
    than parsing, and the body is parsed again only when there are more keys than were kept.
    """
    kept = len(body) + sum(len(entry) for entry in entries if isinstance(entry, dict))
    if _count_keys(content, kept) == kept:
        return []
    again = json.loads(content, object_pairs_hook=_Pairs)
    held: list[Any] = next((value for key, value in reversed(again) if body.get(key) is entries), [])
    found = [
        _find(None, again),
        *(_find(index, entry) for index, entry in enumerate(held) if isinstance(entry, _Pairs)),
    ]
    return [repeated for repeated in found if repeated]


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of one object as they stand."""


def _find(index: int | None, pairs: _Pairs) -> Repeated | None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return Repeated(index, key, [value for name, value in pairs if name == key])
        seen.add(key)
    return None


def _count_keys(content: bytes, kept: int) -> int:
    """The number of keys in a valid body, each of which a colon follows. `kept` is the least that there can be."""
    if content.count(b":") == kept:
        return kept
    # In most bodies only a text has a colon that does not follow a quote, such as a time.
    if content.count(b'":') == kept and not any(gap in content for gap in GAPS):
        return kept
    return remove_texts(content).count(b":")
