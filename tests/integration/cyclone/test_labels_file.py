"""`cyclone labels load` against a real Postgres."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cyclone.errors import DataError, StoreError
from cyclone.rows import label_file
from cyclone.rows.label_file import LabelFile, Summary, load_labels
from cyclone.spec import ModelSpec
from cyclone.store import Store
from tests.support.statements import execute

NOBODY = "postgresql://postgres@127.0.0.1:9/cyclone"
Refusals = list[tuple[int, str]]


def load(store: Store, spec: ModelSpec, path: Path) -> tuple[Summary, Refusals]:
    refused: Refusals = []
    summary = load_labels(store, spec, LabelFile(path, spec.label), lambda *line: refused.append(line))
    return summary, refused


def write(tmp_path: Path, *lines: str | bytes, header: str = "id,label,observed_at") -> Path:
    path = tmp_path / "labels.csv"
    encoded = [line if isinstance(line, bytes) else line.encode() for line in (header, *lines)]
    path.write_bytes(b"\n".join(encoded) + b"\n")
    return path


def predict(store: Store, *ids: str) -> None:
    at = "2011-01-01T00:00Z"
    store.fetch("log/partitions_ensure", parent="prediction_log", moments=[datetime(2011, 1, 1, tzinfo=UTC)])
    for id_ in ids:
        execute(store, f"INSERT INTO prediction_id VALUES ('bike_demand', '{id_}', '{at}')")
        execute(
            store,
            "INSERT INTO prediction_log (model, id, input, prediction, created_at)"
            f" VALUES ('bike_demand', '{id_}', '{{}}', '1', '{at}')",
        )


def test_labels_land_before_and_after_their_prediction_once_with_the_last_one_shown(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    predict(store, "known")
    path = write(
        tmp_path,
        "known,10,2011-01-02T00:00Z",
        "early,20,2011-01-02T01:00+01:00",
        "known,12,2011-01-04T00:00Z",  # changed
        "known,11,2011-01-03T00:00Z",  # changed again, by a clock that is behind
        "known,10,2011-01-02T00:00Z",  # twice
    )
    assert load(store, bike_demand, path) == (Summary(accepted=4, repeated=1, unknown_so_far=1), [])
    assert load(store, bike_demand, path) == (Summary(accepted=0, repeated=5, unknown_so_far=1), [])
    predict(store, "early")
    assert load(store, bike_demand, path)[0].unknown_so_far == 0
    assert execute(store, "SELECT id, label FROM labelled_prediction ORDER BY id") == [("early", 20), ("known", 11)]
    assert execute(store, "SELECT count(*) FROM label") == [(4,)]


def test_a_replay_takes_labels_that_are_as_old_as_its_history(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    """As its service does."""
    file = LabelFile(write(tmp_path, "old,10,1955-01-02T00:00Z"), bike_demand.label)
    assert load_labels(store, bike_demand, file) == Summary(refused=1)
    assert load_labels(store, bike_demand, file, is_live=False) == Summary(accepted=1, unknown_so_far=1)


def test_undated_labels_are_observed_now_in_the_files_order_and_only_changes_are_new(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    predict(store, "a")
    path = write(tmp_path, "a,1", "a,1", "a,2", "a,1", "b,7", header="id,label")
    assert load(store, bike_demand, path)[0] == Summary(accepted=4, repeated=1, unknown_so_far=1)
    assert execute(store, "SELECT label FROM label WHERE id = 'a' ORDER BY observed_at") == [(1,), (2,), (1,)]
    assert execute(store, "SELECT label FROM labelled_prediction") == [(1,)]
    (observed,) = execute(store, "SELECT min(observed_at) FROM label")[0]
    assert timedelta(0) <= datetime.now(UTC) - observed < timedelta(minutes=1)
    again = write(tmp_path, "a,1", "b,8,", header="id,label,observed_at".removesuffix(",observed_at"))
    summary, refused = load(store, bike_demand, again)
    assert (summary, refused) == (
        Summary(accepted=0, repeated=1, unknown_so_far=0, refused=1),
        [(3, "3 values, where the header has 2 columns")],
    )


def test_a_file_corrects_what_is_known_with_its_last_line_whatever_the_dates(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    predict(store, "a", "b")
    load(store, bike_demand, write(tmp_path, "a,10,", "b,10,"))
    ahead = datetime.now(UTC) + timedelta(minutes=4)
    lines = ("a,20,", "a,10,", f"b,20,{ahead.isoformat()}", "b,10,", "b,20,", "b,30,2011-01-02T00:00Z")
    path = write(tmp_path, *lines)
    assert load(store, bike_demand, path)[0] == Summary(accepted=6, repeated=0, unknown_so_far=0)
    assert execute(store, "SELECT id, label FROM labelled_prediction ORDER BY id") == [("a", 10), ("b", 30)]


def test_a_bad_line_is_named_with_its_number_and_reason_and_the_good_ones_land(
    store: Store, bike_demand: ModelSpec, tmp_path: Path
) -> None:
    path = write(
        tmp_path,
        "good,1,",
        "big,99999,",
        "",
        "word,many,",
        "float,5.0,",
        ",1,",
        "x" * 129 + ",1,",
        "when,1,yesterday",
        "naive,1,2011-01-02T00:00",
        "short",
        '"open,1,',
        b"bad \xff,1,",
        b"nul \x00,1,",
        "x" * 20_000,
        "9" * 5000 + "," + "9" * 3000 + ",",
        "last,2,2011-01-02T00:00Z",
    )
    summary, refused = load(store, bike_demand, path)
    assert (summary.accepted, summary.refused) == (2, 13)
    assert execute(store, "SELECT id FROM label ORDER BY id") == [("good",), ("last",)]
    reasons = dict(refused)
    whole = "an integer from 0 to 10000"
    time = "an ISO 8601 time with its zone, from 2000-01-01 to now"
    assert reasons[3] == f"label is 99999, allowed: {whole}"
    assert reasons[5] == f"label is 'many', allowed: {whole}"
    assert reasons[6] == f"label is '5.0', allowed: {whole}"
    assert reasons[7] == "id is '', allowed: a text of 1 to 128 characters, without \\u0000"
    assert reasons[8].startswith("id is 'xxx")
    assert reasons[9] == f"observed_at is 'yesterday', allowed: {time}"
    assert reasons[10] == f"observed_at is '2011-01-02T00:00', allowed: {time}"
    assert reasons[11] == "1 value, where the header has 3 columns"
    assert reasons[12] == (
        "not CSV, because a quote that opens on this line is not closed. Close it, or double each quote"
    )
    assert reasons[13] == "not UTF-8 from byte 5 of the line on. Save the file as UTF-8"
    assert 14 in reasons
    assert reasons[15] == "1 value, where the header has 3 columns"
    assert reasons[16].startswith("id is '999")


def test_parquet_labels_land_as_those_of_a_csv_do(store: Store, bike_demand: ModelSpec, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = datetime(2011, 1, 2, tzinfo=UTC)
    path = tmp_path / "labels.parquet"
    times = pa.array([at, None, at, at], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": ["a", "b", "c", "a"], "label": [1, 2, None, 1], "observed_at": times}), path)
    summary, refused = load(store, bike_demand, path)
    assert summary == Summary(accepted=2, repeated=1, unknown_so_far=3, refused=1)
    assert refused == [(3, "label is None, allowed: an integer from 0 to 10000")]
    assert execute(store, "SELECT observed_at FROM label WHERE id = 'a'") == [(at,)]
    pq.write_table(pa.table({"id": [7], "label": [3]}), path)
    assert load(store, bike_demand, path)[0].accepted == 1
    assert execute(store, "SELECT label FROM label WHERE id = '7'") == [(3,)]


def test_many_labels_go_in_batches_and_progress_reaches_the_end(
    store: Store, bike_demand: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_file, "BATCH_LABELS", 1000)
    path = write(tmp_path, *(f"id {number},{number % 100},2011-01-02T00:00Z" for number in range(3500)))
    progress: list[int] = []
    file = LabelFile(path, bike_demand.label)
    assert load_labels(store, bike_demand, file, on_progress=progress.append).accepted == 3500
    assert len(progress) == 4
    assert progress[-1] == file.size


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.csv", None, "there is no such file"),
        ("labels.csv", b"PK\x03\x04", "it is a zip archive, as Excel's files are. Needed is a CSV file in UTF-8"),
        ("empty.csv", b"", "the columns are missing. Needed are id, label, observed_at"),
        ("odd.csv", b"id,value\n", "the columns are 'id', 'value'. Needed"),
        ("odd.csv", b"id,label,note\n", "the columns are 'id', 'label', 'note'"),
        ("twice.csv", b"id,label,id\n", "there are 2 columns 'id'. Keep one"),
        ("odd.parquet", b"PAR1 nothing", "not a Parquet file"),
    ],
)
def test_a_file_that_is_none_of_labels_is_refused_as_a_whole(
    bike_demand: ModelSpec, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        load_labels(Store(NOBODY), bike_demand, LabelFile(path, bike_demand.label))


def test_an_absent_store_is_told_with_the_line_up_to_which_all_is_kept(bike_demand: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"(?s)does not answer.*every good label up to line 0 is kept"):
        load(Store(NOBODY), bike_demand, write(tmp_path, "a,1,"))


def test_the_command_sums_up_and_fails_only_when_a_line_was_refused(store: Store, tmp_path: Path) -> None:
    def call(*lines: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cyclone", "labels", "load", "bike_demand", str(write(tmp_path, *lines))]
        env = {**os.environ, "CYCLONE_STORE_DSN": store.dsn, "COLUMNS": "200"}
        root = Path(label_file.__file__).parents[1]
        return subprocess.run(command, env=env, cwd=root, capture_output=True, text=True)

    done = call("a,1,2011-01-02T00:00Z")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "1 accepted, 0 repeated, 0 refused. 1 of those kept have no prediction so far"
    done = call("a,1,2011-01-02T00:00Z", "b,x,")
    assert (done.returncode, done.stderr) == (1, "line 3: label is 'x', allowed: an integer from 0 to 10000\n")
    assert done.stdout.strip().startswith("0 accepted, 1 repeated, 1 refused")
