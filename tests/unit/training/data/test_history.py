import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cyclone.errors import ConfigurationError, DataError
from cyclone.spec import ModelSpec
from training.data.history import read_history

MODEL = Path(__file__).resolve().parents[4] / "models" / "bike_demand"
HEADER = "created_at,hour,weekday,workingday,holiday,season,weather,temperature,humidity,wind,bikers"
GOOD = "2011-01-01T00:00:00Z,0,6,false,false,1,clear,0.24,0.81,0.0,16"


def write_history(folder: Path, *lines: str) -> Path:
    (folder / "data").mkdir()
    (folder / "data" / "bikeshare_2011.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_row_has_its_time_its_typed_features_and_its_label(bike_demand: ModelSpec) -> None:
    rows = list(read_history(bike_demand, MODEL))
    assert len(rows) == 8645
    assert rows[0] == {
        "created_at": datetime(2011, 1, 1, tzinfo=UTC),
        "features": {
            "hour": 0,
            "weekday": 6,
            "workingday": False,
            "holiday": False,
            "season": 1,
            "weather": "clear",
            "temperature": 0.24,
            "humidity": 0.81,
            "wind": 0.0,
        },
        "label": 16,
    }


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (GOOD.replace(",0,6,", ",24,6,"), "line 3: hour is 24, allowed: an integer from 0 to 23"),
        (GOOD.replace(",0,6,", ",noon,6,"), "line 3: hour is 'noon', allowed: an integer from 0 to 23"),
        (GOOD.replace("clear", "foggy"), "line 3: weather is 'foggy', allowed: one of 'clear', "),
        (GOOD.replace("0.24", ""), "line 3: temperature is None, allowed: a finite number from 0 to 1"),
        (GOOD.replace("0.24", "nan"), "line 3: temperature is 'nan', allowed: a finite number from 0 to 1"),
        (GOOD.replace("false,false", "no,false"), "line 3: workingday is 'no', allowed: true or false"),
        (GOOD.replace(",16", ",-1"), "line 3: bikers is -1, allowed: an integer from 0 to 10000"),
        (GOOD.replace(",16", ","), "line 3: bikers is None, allowed: an integer from 0 to 10000"),
        (GOOD.replace("2011-01-01T", "yesterday "), "line 3: created_at is 'yesterday 00:00:00Z', allowed: an ISO"),
        (GOOD.removesuffix(",16"), "line 3: 10 values, where the header has 11 columns. Correct the line"),
        (GOOD.replace("clear", '"clear'), "line 3: not CSV, because a quote that opens on this line is not closed"),
        (GOOD.replace("clear", "clear" * 300_000), "line 3: a cell has more than 1,000,000 characters"),
        (GOOD + ",17", "line 3: 12 values, where the header has 11 columns. Correct the line"),
        (GOOD.replace("2011", "0001"), "line 3: created_at is '0001-01-01T00:00:00Z', allowed: an ISO time from 1900"),
        (GOOD.replace("2011", "9999"), "line 3: created_at is '9999-01-01T00:00:00Z', allowed: an ISO time from 1900"),
        (GOOD.replace("2011-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00"), "line 3: created_at is '0001-01-01T"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column(bike_demand: ModelSpec, tmp_path: Path, bad: str, message: str) -> None:
    folder = write_history(tmp_path, HEADER, GOOD, bad)
    with pytest.raises(DataError) as raised:
        list(read_history(bike_demand, folder))
    assert message in str(raised.value)


def test_a_missing_column_is_named(bike_demand: ModelSpec, tmp_path: Path) -> None:
    folder = write_history(tmp_path, HEADER.replace("wind,", ""), GOOD)
    with pytest.raises(DataError, match=r"csv: no column wind\. Needed are created_at, hour"):
        list(read_history(bike_demand, folder))


def test_a_missing_file_is_named(bike_demand: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"history 'data/bikeshare_2011.csv': .* does not exist"):
        list(read_history(bike_demand, tmp_path))


def test_a_model_without_history_says_so(bike_demand: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="history is not set"):
        list(read_history(bike_demand.model_copy(update={"history": None}), tmp_path))


@pytest.mark.parametrize(
    "pack",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
    ids=["byte order mark", "utf-16", "gzip", "line ends of Windows"],
)
def test_a_history_file_is_read_however_it_is_written(
    bike_demand: ModelSpec, tmp_path: Path, pack: Callable[[str], bytes]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bikeshare_2011.csv").write_bytes(pack(f"{HEADER}\n{GOOD}\n"))
    (row,) = read_history(bike_demand, tmp_path)
    assert (row["label"], row["features"]["weather"]) == (16, "clear")


def test_a_column_that_is_there_twice_is_refused(bike_demand: ModelSpec, tmp_path: Path) -> None:
    folder = write_history(tmp_path, HEADER + ",bikers", GOOD + ",999")
    with pytest.raises(DataError, match="there are 2 columns 'bikers'"):
        list(read_history(bike_demand, folder))
