"""One reader for all files: what it is given is told apart by content, and the same values mean the same."""

import gzip
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cyclone.errors import DataError
from cyclone.rows.cells import parse_cell
from cyclone.rows.label_file import LabelFile
from cyclone.rows.table_file import TableFile
from cyclone.sections import Feature, Label


def write(tmp_path: Path, content: bytes, name: str = "table.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def read(path: Path) -> list[tuple[int, list[str], str]]:
    return [(record.number, record.values, record.fault) for record in TableFile(path)]


@pytest.mark.parametrize(
    "content",
    [
        "id,label\nä,1\n".encode(),
        "id,label\nä,1".encode(),
        " id , label \r\nä,1\r\n".encode(),
        "id,label\nä,1\n".encode("utf-8-sig"),
        "id,label\nä,1\n".encode("utf-16"),
        "\ufeffid,label\nä,1\n".encode("utf-16-be"),
        "id,label\nä,1".encode("utf-32"),
        gzip.compress("id,label\nä,1\n".encode("utf-16")),
    ],
    ids=["utf-8", "open end", "blanks", "mark", "utf-16", "utf-16-be", "utf-32", "gzip"],
)
def test_a_csv_is_read_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    assert TableFile(path).columns == ["id", "label"]
    assert read(path) == [(2, ["ä", "1"], "")]


FRAME = pd.DataFrame(
    {
        "truth": [True, False],
        "zero": [0, 1],
        "text": ["0", "1"],
        "id": [17.0, None],
        "share": pd.Series([0.1, 1e-7], dtype="float32"),
        "words": ['two\nlines, and a "quote"', None],
        "kind": pd.Categorical(["a", "b"]),
        "at": [datetime(2011, 1, 2, 3, tzinfo=UTC)] * 2,
    }
)


def test_a_table_means_the_same_as_csv_and_as_parquet(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "csv", index=False)
    FRAME.to_parquet(tmp_path / "parquet", index=False)

    def convert(name: str) -> list[dict[str, Any]]:
        table = TableFile(tmp_path / name)
        rows = [dict(zip(table.columns, record.values, strict=True)) for record in table]
        for row in rows:
            row["at"] = datetime.fromisoformat(row["at"])
            row["truth"] = parse_cell(Feature(name="truth", type="boolean"), row["truth"])
        return rows

    assert convert("csv") == convert("parquet")
    boolean, text = Feature(name="x", type="boolean"), Feature(name="x", type="text")
    first = convert("parquet")[0]
    assert [parse_cell(boolean, first[name]) for name in ("zero", "text")] == [False, False]
    assert [parse_cell(text, first[name]) for name in ("id", "words")] == ["17.0", 'two\nlines, and a "quote"']


def test_labels_are_the_same_from_csv_and_parquet(tmp_path: Path) -> None:
    labels = pd.DataFrame({"id": [7, 8, 9], "label": [1, 0, 1]})
    labels.to_csv(tmp_path / "csv", index=False)
    labels.to_parquet(tmp_path / "parquet", index=False)
    label = Label(name="y", type="boolean", expected_delay_hours=0)
    entries = [[line.entry for line in LabelFile(tmp_path / name, label)] for name in ("csv", "parquet")]
    assert entries[0] == entries[1]
    assert [entry["label"] for entry in entries[0]] == [True, False, True]


def test_a_missing_number_is_an_empty_cell_from_csv_and_parquet(tmp_path: Path) -> None:
    """pandas makes a column with a missing id one of floats. `pa.table` keeps its NaN, as other writers do."""
    frame = pd.DataFrame({"id": [17.0, float("nan")], "label": [1.0, float("nan")]})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    pq.write_table(pa.table({name: frame[name].to_numpy() for name in frame}), tmp_path / "labels.parquet")
    read_cells = [[record.values for record in TableFile(tmp_path / f"labels.{kind}")] for kind in ("csv", "parquet")]
    assert read_cells == [[["17.0", "1.0"], ["", ""]]] * 2


def test_a_record_that_cannot_be_read_is_named_and_hides_no_other(tmp_path: Path) -> None:
    lines = [b"id,label", b'"two\nlines",1', b"caf\xe9,1", b"", b'"open,1', b"short", b"b" * 1_000_001 + b",1", b"z,9"]
    assert read(write(tmp_path, b"\n".join(lines))) == [
        (2, ["two\nlines", "1"], ""),
        (4, [], "not UTF-8 from byte 4 of the line on. Save the file as UTF-8"),
        (6, [], "not CSV, because a quote that opens on this line is not closed. Close it, or double each quote"),
        (7, ["short"], "1 value, where the header has 2 columns"),
        (8, [], "a cell has more than 1,000,000 characters. Shorten it"),
        (9, ["z", "9"], ""),
    ]


def test_a_long_cell_is_a_cell(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert read(write(tmp_path, f"id,note\na,{long}\n".encode())) == [(2, ["a", long], "")]


def pack_parquet(frame: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.to_parquet(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"id,label,id\n", "there are 2 columns 'id'. Keep one"),
        (b"PK\x03\x04rest", "it is a zip archive, as Excel's files are. Needed is a CSV file in UTF-8"),
        (b"BZh91AY", "it is compressed with bzip2"),
        (b"PAR1 nothing", "not a Parquet file"),
        ("id,label\n".encode("utf-16-le"), "zero bytes, as UTF-16 without a byte order mark has"),
        (b"caf\xe9,label\n", "line 1: not UTF-8 from byte 4 of the line on"),
        (gzip.compress(b"id,label\n" + bytes(range(65, 90)) * 99)[:-12], "cannot be read"),
        ("id,label\nä,1\n".encode("utf-16")[:-1], "cannot be read after line 1: .*truncated data"),
        (gzip.compress(gzip.compress(b"id,label\n")), "it is packed with gzip, and what is in it as well"),
        (pack_parquet(pd.DataFrame({"id": [[1, 2]]})), "column 'id' is list<.*>. Store one value in each cell"),
    ],
    ids=["twice", "zip", "bzip2", "parquet", "zeros", "latin-1", "torn gzip", "torn utf-16", "gzip twice", "nested"],
)
def test_a_file_that_cannot_be_read_says_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=words) as raised:
        read(path)
    assert str(path) in str(raised.value)
