"""The records of a CSV file, one by one, each with its line. A record that cannot be read does not hide the next.

A quoted cell may hold line breaks. A quote that is never closed spoils only the line that it stands on.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Self

CELL_CHARACTERS = 1_000_000
"""The most characters of a cell. Texts of features are far shorter, and an open quote cannot fill the memory."""
LINE_BYTES = 4_000_000
"""The most bytes of a line. Thousands of features fit, and a file without line ends cannot fill the memory."""
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
MARKS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8"}
"""The encoding that a file's first bytes mark. UTF-32 stands first, because its mark begins with that of UTF-16."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One record of a file. `number` is its line, or its row in a Parquet file.

    `position` is how far the file was read when the record ended, in bytes, or rows of a Parquet file.
    """

    number: int
    values: list[str]
    fault: str
    """Why the record cannot be read. Empty when it can."""
    position: int


def read_records(file: BinaryIO, tell: Callable[[], int]) -> Iterator[FileRecord]:
    """The records of an open CSV file, the header first. Blank lines are left out.

    A header without a comma tells that semicolons or tabs stand between values, as programs write them in countries
    where a comma stands in numbers. `tell` gives the position.
    Errors: those of reading the file, and `UnicodeError` where UTF-16 or UTF-32 breaks off.
    """
    csv.field_size_limit(CELL_CHARACTERS)
    lines = _Lines(_decode(file))
    delimiter = ""
    while True:
        lines.begin_record()
        values, fault = [], ""
        try:
            values = next(csv.reader(lines, strict=True, delimiter=delimiter or ","))
            if not delimiter and values and (delimiter := _find_delimiter(values)) != ",":
                values = next(csv.reader(lines.take_again(), strict=True, delimiter=delimiter))
        except StopIteration:
            return
        except (csv.Error, _UnreadableLineError) as error:
            fault = lines.describe(error)
        if fault or values[1:] or "".join(values).strip():
            yield FileRecord(lines.first, values, fault, tell())
        if fault:
            lines.return_all_but_first()


def _find_delimiter(header: list[str]) -> str:
    found = [mark for mark in (";", "\t") if mark in header[0]] if len(header) == 1 else []
    return found[0] if found else ","


class _UnreadableLineError(Exception):
    pass


class _Lines:
    """The lines of a text. Those of the present record, but for the first, can be read again."""

    def __init__(self, source: Iterator[str | _UnreadableLineError]) -> None:
        self._source = source
        self._returned: deque[str | _UnreadableLineError] = deque()
        self._taken: list[str | _UnreadableLineError] = []
        self.number = 0
        self.first = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._source)
        self._taken.append(line)
        self.number += 1
        if isinstance(line, _UnreadableLineError):
            raise line
        return line

    def begin_record(self) -> None:
        self._taken = []
        self.first = self.number + 1

    def describe(self, error: Exception) -> str:
        if len(self._taken) > 1 or "unexpected end of data" in str(error):
            return "not CSV, because a quote that opens on this line is not closed. Close it, or double each quote"
        if "field limit" in str(error):
            return f"a cell has more than {CELL_CHARACTERS:,} characters. Shorten it"
        return str(error) if isinstance(error, _UnreadableLineError) else f"not CSV: {error}"

    def take_again(self) -> Self:
        """The lines of the present record, to be read once more."""
        self._returned.extendleft(reversed(self._taken))
        self.number -= len(self._taken)
        self._taken = []
        return self

    def return_all_but_first(self) -> None:
        again = self._taken[1:]
        self._returned.extendleft(reversed(again))
        self.number -= len(again)


def _decode(file: BinaryIO) -> Iterator[str | _UnreadableLineError]:
    start = file.read(4)
    mark = next((mark for mark in MARKS if start.startswith(mark)), b"")
    encoding = MARKS.get(mark, "utf-8")
    if encoding != "utf-8":
        yield from _decode_wide(io.BytesIO(start), file, encoding)
    else:
        yield from _decode_lines(file, start.removeprefix(mark))


def _decode_wide(start: BinaryIO, file: BinaryIO, encoding: str) -> Iterator[str | _UnreadableLineError]:
    """The lines of UTF-16 or UTF-32, which are no lines of bytes."""
    decoder = codecs.getincrementaldecoder(encoding)()
    text = ""
    while True:
        content = start.read() or file.read(io.DEFAULT_BUFFER_SIZE)
        text += decoder.decode(content, final=not content)
        *whole, text = text.split("\n")
        for line in whole:
            yield line + "\n"
        if len(text) > LINE_BYTES:
            raise UnicodeError(f"a line is longer than {LINE_BYTES:,} characters")
        if not content:
            break
    if text:
        yield text


def _decode_lines(file: BinaryIO, start: bytes) -> Iterator[str | _UnreadableLineError]:
    *lines, begun = start.split(b"\n")
    for line in lines:
        yield _decode_line(line + b"\n")
    while content := begun + file.readline(LINE_BYTES):
        begun = b""
        if len(content) >= LINE_BYTES and not content.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield _UnreadableLineError(f"the line is longer than {LINE_BYTES:,} bytes")
        else:
            yield _decode_line(content)


def _decode_line(content: bytes) -> str | _UnreadableLineError:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return _UnreadableLineError(f"not UTF-8 from byte {error.start + 1} of the line on. Save the file as UTF-8")
