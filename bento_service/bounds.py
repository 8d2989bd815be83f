"""What a body may hold, told from its bytes before it is parsed: bytes are counted in a hundredth of the time.

Nesting needs no bound of ours: the parser gives up at depth 200, before it has made anything.
"""

import re

STRING_BYTES = 65_536
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A text that never ends goes to the end of the body. Were it none, each quote within would begin another search."""
_LONG_RUN = re.compile(rb'"[^"]{%d}' % (STRING_BYTES + 1))
_LISTS = 3  # rows, ids, created_at


def find_excess(content: bytes, entries: int, fields: int) -> str | None:
    """What the body has too much of, or None: entries (rows or labels), values in all, a string's length.

    An entry may have so many fields; the bounds are a little wide, what is within is counted after parsing.
    """
    openers, commas = entries + 1 + _LISTS, (entries + 1) * (fields + _LISTS)
    if len(content) > STRING_BYTES and _LONG_RUN.search(content):
        return f"a text, or a gap, longer than {STRING_BYTES} bytes"
    if _count_openers(content) <= openers and content.count(b",") <= commas:
        return None
    quotes = content.count(b'"') - content.count(b'\\"')
    if quotes > (entries + 1) * (4 * fields + 2 * _LISTS):
        return f"more texts than {entries} entries of {fields} fields have"
    bare = _STRING.sub(b"", content)  # a text may hold brackets and commas
    if _count_openers(bare) > openers:
        return f"more than the {entries} entries that one request may carry"
    if bare.count(b",") > commas:
        return f"more values than {entries} entries of {fields} fields have"
    return None


def _count_openers(content: bytes) -> int:
    return content.count(b"{") + content.count(b"[")
