"""The spool's promise: whatever byte a kill stops at, all whole records before it are there, and nothing else."""

import errno
import os
from pathlib import Path

import pytest

from bento_service.log.spool import HEADER, Spool, parse_records

LIMIT = 1_000_000


def fill(spool: Spool, count: int, first: int = 1) -> list[bytes]:
    lines = [f'{{"sequence":{number}}}\n'.encode() for number in range(first, first + count)]
    assert all(spool.append(first + place, 1, line) for place, line in enumerate(lines))
    return lines


def drain(spool: Spool, max_rows: int = 3) -> tuple[list[bytes], int]:
    """All rows in batches, and the bytes that were damaged."""
    lines: list[bytes] = []
    damaged = 0
    while spool.has_rows:
        batch = spool.read(max_rows)
        assert len(batch.chunks) <= max_rows
        lines += batch.chunks
        damaged += batch.damaged_bytes
        spool.advance(batch)
    return lines, damaged


def test_rows_come_out_once_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    lines = fill(spool, 10)
    assert drain(spool) == (lines, 0)
    more = fill(spool, 2, first=11)
    assert drain(spool) == (more, 0)
    assert not spool.has_rows


def test_a_batch_that_is_not_advanced_comes_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    lines = fill(spool, 5)
    for _ in range(2):
        batch = spool.read(2)
        assert (b"".join(batch.chunks), batch.last_sequence, batch.damaged_bytes) == (b"".join(lines[:2]), 2, 0)
    assert drain(spool) == (lines, 0)


def test_a_kill_at_any_byte_keeps_every_whole_record(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    lines = fill(Spool(whole, LIMIT), 4)
    (segment,) = whole.iterdir()
    content = segment.read_bytes()
    ends = [record.end for record in parse_records(content)]
    for size in range(len(content) + 1):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / segment.name).write_bytes(content[:size])
        kept = sum(end <= size for end in ends)
        spool = Spool(folder, LIMIT)
        assert len(list(spool.scan())) == kept
        assert drain(spool) == (lines[:kept], size - ([0, *ends][kept]))
        spool.close()


def test_a_tail_of_zeros_or_a_flipped_bit_is_no_record(tmp_path: Path) -> None:
    lines = fill(Spool(tmp_path, LIMIT), 2)
    (segment,) = tmp_path.iterdir()
    content = segment.read_bytes()
    assert [record.lines for record in parse_records(content + bytes(64))] == lines
    for place in range(len(content)):
        flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        intact = 1 if place >= HEADER.size + len(lines[0]) else 0
        assert [record.lines for record in parse_records(flipped)] == lines[:intact]


def test_damage_in_one_segment_costs_no_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT, segment_bytes=1)  # a segment a record
    lines = fill(spool, 3)
    spool.close()
    second = sorted(tmp_path.iterdir())[1]
    torn = second.read_bytes()[:-1]
    second.write_bytes(torn)
    assert drain(Spool(tmp_path, LIMIT)) == ([lines[0], lines[2]], len(torn))


def test_a_successor_appends_behind_what_was_left(tmp_path: Path) -> None:
    first = fill(Spool(tmp_path, LIMIT), 2)
    (torn,) = tmp_path.iterdir()
    torn.write_bytes(torn.read_bytes() + b"torn")
    spool = Spool(tmp_path, LIMIT)
    more = fill(spool, 2, first=3)
    assert drain(spool) == (first + more, 4)


def test_sent_segments_are_deleted_and_make_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=400)
    line = b"x" * 50 + b"\n"
    accepted = [spool.append(number, 1, line) for number in range(1, 8)]
    assert accepted == [True] * 5 + [False] * 2
    spool.advance(spool.read(4))
    assert spool.size < 200
    assert spool.append(6, 1, line)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == spool.size


def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, LIMIT)
    lines = fill(spool, 1)
    write = os.pwrite

    def write_half(descriptor: int, content: bytes, offset: int) -> int:
        if len(content) < 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[: len(content) // 2], offset)

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", write_half)
        assert not spool.append(2, 1, b"second\n")
    (segment,) = tmp_path.iterdir()
    assert segment.stat().st_size == spool.size
    assert drain(spool) == (lines, 0)


def test_rows_outlive_whoever_clears_the_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path, LIMIT)
    lines = fill(spool, 2)
    for path in tmp_path.iterdir():
        path.unlink()
    assert drain(spool) == (lines, 0)
