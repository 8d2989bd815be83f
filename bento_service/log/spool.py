"""The spool: answered rows in append-only segment files, from where they go to Postgres.

A record holds the rows of one request. It has a header (length, CRC-32, first sequence number, number of rows) and one
line of JSON for each row. It is written without fsync. So it outlives the end of its process at any byte, but not that
of its machine.
"""

import logging
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = struct.Struct("<IIQI")
COVERED = struct.Struct("<QI")
"""The part of the header that the checksum covers. It makes sure that a tail of zeros is no record."""
SEGMENT_BYTES = 2 * 1024 * 1024
"""The size at which a segment is full, in bytes. Disk is freed by segments. The value is a choice."""
KEPT_BYTES = 64 * 1024
"""The size from which a segment is deleted once all of it is sent, although it is not full. The value is a choice."""
BATCH_BYTES = 8 * 1024 * 1024
"""The size in bytes beyond which no record is added to a batch. The value is a choice."""
logger = logging.getLogger("bentoml.prediction_log")


@dataclass(frozen=True, slots=True)
class Record:
    """The rows of one request, numbered from `first_sequence`. `end` is the offset after the record in its segment."""

    first_sequence: int
    rows: int
    lines: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The oldest rows of a spool, as chunks of whole lines, and the place where the next rows begin."""

    chunks: tuple[bytes, ...]
    last_sequence: int
    segments_done: int
    offset: int
    damaged_bytes: int


@dataclass(slots=True)
class Segment:
    """One file of a spool. It is kept open, so that no rows are lost if somebody clears the temporary folder."""

    path: Path
    descriptor: int
    size: int

    def read(self, offset: int, end: int) -> bytes:
        return os.pread(self.descriptor, end - offset, offset)

    def remove(self) -> None:
        os.close(self.descriptor)
        self.path.unlink(missing_ok=True)


class Spool:
    """The segments in one folder. One thread may append while another reads and advances."""

    def __init__(self, folder: Path, limit_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self.limit_bytes = limit_bytes
        self._segment_bytes = min(segment_bytes, max(limit_bytes // 4, 1))
        self._lock = threading.Lock()
        self._segments = [_open_segment(path) for path in sorted(folder.glob("*.segment"))]
        self._is_sealed = True
        """Whether nothing is appended to the last segment, because another process wrote it or its end may be torn."""
        self._offset = 0
        self._is_failing = False
        self._next_number = int(self._segments[-1].path.stem) + 1 if self._segments else 1

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in tuple(self._segments))

    @property
    def has_rows(self) -> bool:
        """Whether there is anything left to read."""
        with self._lock:
            return any(segment.size for segment in self._segments[1:]) or (
                bool(self._segments) and self._segments[0].size > self._offset
            )

    def append(self, first_sequence: int, rows: int, lines: bytes) -> bool:
        """Write one record. False if the spool is at its limit, or the disk cannot take the record."""
        covered = COVERED.pack(first_sequence, rows)
        header = HEADER.pack(len(lines), zlib.crc32(lines, zlib.crc32(covered)), first_sequence, rows)
        record = header + lines
        with self._lock:
            if self.size + len(record) > self.limit_bytes:
                return False
            try:
                self._write(record)
            except OSError as error:
                if not self._is_failing:
                    logger.error("prediction log: the spool in %s cannot be written: %s", self._folder, error)
                self._is_failing = True
                return False
            self._is_failing = False
            return True

    def read(self, max_rows: int) -> Batch:
        """The oldest records, with about `max_rows` rows and at least one record. They stay until `advance`."""
        with self._lock:
            segments, offset = list(self._segments), self._offset
            sizes = [segment.size for segment in segments]
        chunks: list[bytes] = []
        rows = taken = damaged = done = last = 0
        for number, (segment, size) in enumerate(zip(segments, sizes, strict=True)):
            offset = offset if number == 0 else 0
            for record in parse_records(segment.read(offset, size), offset):
                if rows >= max_rows or taken >= BATCH_BYTES:
                    return Batch(tuple(chunks), last, done, offset, damaged)
                chunks.append(record.lines)
                rows, taken, offset = rows + record.rows, taken + len(record.lines), record.end
                last = record.first_sequence + record.rows - 1
            if number == len(segments) - 1 and offset == size:
                break
            damaged += size - offset
            done, offset = done + 1, 0
        return Batch(tuple(chunks), last, done, offset, damaged)

    def advance(self, batch: Batch) -> None:
        """Go on to the rows after the batch. Segments that are wholly sent are deleted."""
        with self._lock:
            for segment in self._segments[: batch.segments_done]:
                segment.remove()
            del self._segments[: batch.segments_done]
            self._offset = batch.offset
            if len(self._segments) == 1 and self._offset == self._segments[0].size and self._should_free():
                self._segments.pop().remove()
                self._offset = 0
            if not self._segments:
                self._is_sealed = True

    def scan(self) -> Iterator[Record]:
        """Every readable record that is not sent yet."""
        offset = self._offset
        for segment in tuple(self._segments):
            yield from parse_records(segment.read(offset, segment.size), offset)
            offset = 0

    def close(self) -> None:
        """Close the files. Rows that are not sent stay in them."""
        with self._lock:
            for segment in self._segments:
                os.close(segment.descriptor)
            self._segments = []

    def _should_free(self) -> bool:
        """Whether a segment that is wholly sent is worth deleting before it is full."""
        return self._segments[0].size >= KEPT_BYTES or self._is_failing

    def _write(self, record: bytes) -> None:
        if self._is_sealed or self._segments[-1].size >= self._segment_bytes:
            path = self._folder / f"{self._next_number:012}.segment"
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            self._segments.append(Segment(path, descriptor, 0))
            self._next_number += 1
            self._is_sealed = False
        segment = self._segments[-1]
        written = 0
        try:
            while written < len(record):
                written += os.pwrite(segment.descriptor, record[written:], segment.size + written)
        except OSError:
            os.ftruncate(segment.descriptor, segment.size)
            raise
        segment.size += len(record)


def parse_records(content: bytes, start: int = 0) -> Iterator[Record]:
    """The records at the beginning of `content` that are whole. `content` stands at offset `start` of its file."""
    place = 0
    while place + HEADER.size <= len(content):
        length, checksum, first_sequence, rows = HEADER.unpack_from(content, place)
        begin = place + HEADER.size
        lines = content[begin : begin + length]
        covered = COVERED.pack(first_sequence, rows)
        if len(lines) < length or zlib.crc32(lines, zlib.crc32(covered)) != checksum:
            return
        place = begin + length
        yield Record(first_sequence, rows, lines, start + place)


def _open_segment(path: Path) -> Segment:
    descriptor = os.open(path, os.O_RDONLY)
    return Segment(path, descriptor, os.fstat(descriptor).st_size)
