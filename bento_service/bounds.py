"""Bounds of what a body may hold, checked on its bytes before it is parsed.

Counting bytes takes a hundredth of the time of parsing. The depth of nesting is bounded by the parser, which gives up
at 200 before it has made anything.
"""

import re

STRING_BYTES = 65_536
"""The longest text of a body, in bytes of JSON. The value is a choice: no measurement stands behind it."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""Matches a text in quotes.

A text without an end goes to the end of the body. Otherwise each quote in it would begin another search.
"""
_LONG_RUN = re.compile(rb'"[^"]{%d}' % (STRING_BYTES + 1))
_LISTS = 3  # rows, ids, created_at


def find_excess(content: bytes, entries: int, fields: int) -> str | None:
    """What the body has too much of: entries (rows or labels), values in all, or bytes of one text. Otherwise None.

    `entries` is the most entries, and `fields` the most fields of each. The bounds are a little wide, because entries
    are counted exactly after parsing.
    """
    openers, commas = entries + 1 + _LISTS, (entries + 1) * (fields + _LISTS)
    if len(content) > STRING_BYTES and _LONG_RUN.search(content):
        return f"a text, or a gap, longer than {STRING_BYTES} bytes"
    if _count_openers(content) <= openers and content.count(b",") <= commas:
        return None
    quotes = content.count(b'"') - content.count(b'\\"')
    if quotes > (entries + 1) * (4 * fields + 2 * _LISTS):
        return f"more texts than {entries} entries of {fields} fields have"
    bare = remove_texts(content)  # a text may hold brackets and commas
    if _count_openers(bare) > openers:
        return f"more than the {entries} entries that one request may carry"
    if bare.count(b",") > commas:
        return f"more values than {entries} entries of {fields} fields have"
    return None


def remove_texts(content: bytes) -> bytes:
    """The body without its texts, so that only the marks of JSON are counted. Keys are texts too."""
    return _STRING.sub(b"", content)


def _count_openers(content: bytes) -> int:
    return content.count(b"{") + content.count(b"[")
