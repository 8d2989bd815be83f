"""Models that begin with data: what is told from them, and what is refused with nothing written."""

import gzip
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cyclone.errors import ConfigurationError, CycloneError, DataError
from cyclone.settings import Settings
from cyclone.spec import ModelSpec, load_model_spec
from training.backtest.history import build_history, find_start
from training.backtest.run import check_start
from training.checking.check import check_model
from training.data.history import parse_time, read_history_frame
from training.fit.model_code import load_function
from training.starting.start import Started, start_model

HOUR = timedelta(hours=1)
START = datetime(2011, 1, 1, tzinfo=UTC)


def build_frame(rows: int = 1500, start: datetime = START, step: timedelta = HOUR) -> pd.DataFrame:
    """Hourly sales that depend on temperature, kind and hour."""
    rng = np.random.default_rng(0)
    times = [start + number * step for number in range(rows)]
    hours = np.array([time.hour for time in times])
    temperature = rng.normal(15, 8, rows).round(1)
    kind = rng.choice(["big", "small"], rows)
    sold = (2 * temperature + hours + 20 * (kind == "big") + rng.normal(40, 5, rows)).clip(0).round().astype(int)
    columns = {"at": times, "temperature": temperature, "kind": kind, "sold": sold}
    return pd.DataFrame(columns)


def start(
    folder: Path, frame: pd.DataFrame | str | bytes, label: str = "sold", time: str = "", name: str = "shop"
) -> ModelSpec:
    """Begin a model and check it as `cyclone check` does."""
    path = folder / "rows.csv"
    if isinstance(frame, pd.DataFrame):
        frame.to_csv(path, index=False)
    else:
        path.write_bytes(frame.encode() if isinstance(frame, str) else frame)
    settings = Settings(models_dir=folder / "models")
    start_model(settings, name, str(path), label, time)
    assert check_model(settings, name).faults == []
    return load_model_spec(folder / "models" / name)


def start_from(folder: Path, content: bytes) -> Started:
    """Begin a model, and give what the command tells."""
    (folder / "rows.csv").write_bytes(content)
    return start_model(Settings(models_dir=folder / "models"), "shop", str(folder / "rows.csv"), "sold")


def read_yaml(folder: Path) -> str:
    return (folder / "models/shop/model.yaml").read_text()


def test_a_model_has_what_its_data_show(tmp_path: Path) -> None:
    spec = start(tmp_path, build_frame())
    assert (spec.task, spec.inputs, spec.history_until) == ("regression", "matrix", "2011-01-16")
    assert [(item.name, item.type, item.calendar) for item in spec.features] == [
        ("hour", "integer", True),
        ("weekday", "integer", True),
        ("temperature", "number", False),
        ("kind", "category", False),
    ]
    assert spec.features[3].values == ("big", "small")
    assert (spec.label.type, spec.label.expected_delay_hours) == ("integer", 24)
    files = sorted(path.name for path in (tmp_path / "models/shop").rglob("*") if path.is_file())
    assert files == ["history.csv", "model.yaml", "pipeline.py", "test_shop.py"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["shop"]
    assert "  - {name: kind, type: category, values: [big, small]}  # 2 values\n" in read_yaml(tmp_path)


def test_what_cannot_help_is_left_out_and_named(tmp_path: Path) -> None:
    frame = build_frame()
    frame.insert(0, "row", range(1, 1501))
    frame["order"] = [f"order-{number}" for number in range(1500)]
    frame["shop"] = "north"
    frame["nothing"] = None
    frame["revenue"] = frame["sold"] * 3.2
    frame["morning"] = frame["sold"] // 3
    frame["rest"] = frame["sold"] - frame["morning"]
    frame["opened"] = "2009-05-01"
    frame.loc[10:, "opened"] = "2009-07-01"
    spec = start(tmp_path, frame, time="at")
    assert spec.feature_names == ["hour", "weekday", "temperature", "kind"]
    text = " ".join(read_yaml(tmp_path).replace("#", "").split())
    for words in (
        "row, as it numbers the rows",
        '"order", as it names the row'.replace('"', ""),
        "shop, as it is 'north' in every row",
        "nothing, as it is empty in every row",
        "revenue, as it tells the label: it is the label in other units",
        "morning, as it tells the label: the label is a sum of morning, rest",
        "opened, as it is a time",
    ):
        assert words in text


def test_when_labels_came_gives_their_delay_and_rhythm(tmp_path: Path) -> None:
    frame = build_frame(3000)
    mondays = [time + timedelta(days=7 - time.weekday()) for time in frame["at"]]
    frame["labelled"] = [time.replace(hour=0) for time in mondays]
    spec = start(tmp_path, frame, time="at")
    assert (spec.label.load_every_days, spec.label.expected_delay_hours) == (7, 0)
    assert "labelled" not in spec.feature_names
    frame["labelled"] = frame["at"] + timedelta(hours=30)
    (tmp_path / "other").mkdir()
    assert start(tmp_path / "other", frame, time="at").label.expected_delay_hours == 30


@pytest.mark.parametrize(
    ("label", "task", "kind"),
    [
        ([0, 1], "binary", "boolean"),
        (["no", "yes"], "binary", "boolean"),
        (["False", "True"], "binary", "boolean"),
        (["good", "bad"], "multiclass", "category"),
        ([0, 1, 2], "multiclass", "category"),
        (["a", "b", "c"], "multiclass", "category"),
        ([0.5, 1.5, 7.25], "regression", "number"),
        ([3, 700, 9000], "regression", "integer"),
    ],
)
def test_the_task_is_told_from_the_label(tmp_path: Path, label: list[Any], task: str, kind: str) -> None:
    frame = build_frame(900)
    rng = random.Random(1)
    spec = start(tmp_path, frame.assign(y=rng.choices(label, k=len(frame))), "y")
    assert (spec.task, spec.label.type) == (task, kind)


@pytest.mark.parametrize("year", [1896, 1950, 2040])
def test_a_history_of_any_year_is_taken(tmp_path: Path, year: int) -> None:
    frame = build_frame(start=datetime(year, 3, 1, tzinfo=UTC))
    frame["at"] = [time.isoformat() for time in frame["at"]]
    start(tmp_path, frame)
    first = pd.read_csv(tmp_path / "models/shop/data/history.csv").iloc[0]
    moved = datetime.fromisoformat(first["created_at"])
    assert (moved.year - year) % 28 == 0
    assert moved.weekday() == datetime(year, 3, 1, tzinfo=UTC).weekday() == first["weekday"]
    assert ("times were moved by" in read_yaml(tmp_path)) == (year != 1950)


@pytest.mark.parametrize(
    "written", ["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%b-%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S+02:00"]
)
def test_times_are_read_as_they_are_written(tmp_path: Path, written: str) -> None:
    frame = build_frame(900)
    offset = timedelta(hours=2) if written.endswith("+02:00") else timedelta(0)
    frame["at"] = [time.strftime(written) for time in frame["at"]]
    start(tmp_path, frame)
    rows = pd.read_csv(tmp_path / "models/shop/data/history.csv")
    assert datetime.fromisoformat(rows["created_at"][5]) == START + 5 * HOUR - offset
    assert rows["hour"][5] == 5


def test_a_file_of_excel_in_europe_is_read(tmp_path: Path) -> None:
    frame = build_frame(900)
    frame["at"] = [time.strftime("%d.%m.%Y %H:%M") for time in frame["at"]]
    spec = start(tmp_path, frame.to_csv(index=False, sep=";", decimal=",").encode("utf-8-sig"))
    assert "temperature" in spec.feature_names
    assert "written with decimal commas" in read_yaml(tmp_path)
    rows = pd.read_csv(tmp_path / "models/shop/data/history.csv")
    assert rows["temperature"].tolist() == frame["temperature"].tolist()


def test_rows_without_a_time_are_spread_and_it_is_said(tmp_path: Path) -> None:
    frame = build_frame(900).drop(columns="at").sort_values("sold")
    start(tmp_path, frame)
    text = " ".join(read_yaml(tmp_path).replace("#", "").split())
    assert "no time column: rows were spread over 60 days in random order" in text
    assert "a backtest and the monitor need true times" in text
    rows = pd.read_csv(tmp_path / "models/shop/data/history.csv")
    by_day = rows.groupby(rows["created_at"].str[:10])["sold"].mean()
    assert by_day.std() < rows["sold"].std() / 2


def test_signs_of_money_and_of_percent_are_no_part_of_a_number(tmp_path: Path) -> None:
    frame = build_frame(300).assign(temperature=[f"{number % 90}%" for number in range(300)])
    start(tmp_path, write(frame.assign(sold=[f"${number}.50" for number in range(300)])))
    spec = load_model_spec(tmp_path / "models/shop")
    assert (spec.task, spec.label.type) == ("regression", "number")
    assert {"temperature": "integer"}.items() <= {feature.name: feature.type for feature in spec.features}.items()


def test_numbers_that_could_be_times_are_named(tmp_path: Path) -> None:
    frame = build_frame(300)
    seconds = [1_300_000_000_000 + 3_600_000 * number for number in range(300)]
    started = start_from(tmp_path, write(frame.assign(at=seconds)))
    assert any("'at' could be times (1000 a second since 1970)" in guess for guess in started.guesses)


def test_a_column_without_a_name_is_left_out_aloud(tmp_path: Path) -> None:
    started = start_from(tmp_path, write(build_frame(300).rename(columns={"temperature": ""})))
    assert any("no feature may have the name ''" in guess for guess in started.guesses)


def test_a_store_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CycloneError, match=r"does not answer: .*refused") as raised:
        start_model(
            Settings(models_dir=tmp_path), "shop", "postgresql://nobody@127.0.0.1:1/x", "sold", query="SELECT 1"
        )
    assert "\n" not in str(raised.value)


def test_empty_cells_wide_names_and_sentences_are_taken(tmp_path: Path) -> None:
    frame = build_frame(1500)
    rng = random.Random(1)
    frame["temperature"] = [None if number % 9 == 0 else value for number, value in enumerate(frame["temperature"])]
    frame["plane"] = [f"N{rng.randrange(300)}" for _ in range(1500)]
    frame["said"] = [" ".join(rng.choices(["good", "bad", "late", "warm", "cold", "new"], k=8)) for _ in range(1500)]
    spec = start(tmp_path, frame)
    found = {item.name: (item.type, item.nullable) for item in spec.features}
    assert found["temperature"] == ("number", True)
    assert (found["plane"], found["said"], spec.inputs) == (("text", False), ("text", False), "frame")


def test_a_few_yearly_or_monthly_rows_make_a_model(tmp_path: Path) -> None:
    frame = build_frame(120, start=datetime(1990, 1, 15, tzinfo=UTC), step=timedelta(days=30))
    spec = start(tmp_path, frame)
    assert spec.feature_names == ["month", "temperature", "kind"]
    assert spec.retrain.minimum_rows == 50
    assert spec.monitor.drift["wasserstein"].window_days == 366
    assert spec.retrain.error.window_days == 90


@pytest.mark.parametrize("delay_hours", [0, 30, 400])
def test_a_backtest_can_begin_at_the_day_that_is_chosen(tmp_path: Path, delay_hours: int) -> None:
    frame = build_frame()
    frame["labelled"] = frame["at"] + timedelta(hours=delay_hours)
    spec = start(tmp_path, frame if delay_hours else build_frame(), time="at")
    rows = read_history_frame(spec, tmp_path / "models/shop")
    history = build_history(spec, rows)
    check_start(history, rows, find_start(history, parse_time(str(spec.history_until))))


def test_large_data_are_thinned_evenly_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.starting.source.KEPT_CELLS", 4000)
    start(tmp_path, build_frame(3000))
    assert "3,000 rows are many: one of 4 was read, evenly over the file" in read_yaml(tmp_path)
    assert len(pd.read_csv(tmp_path / "models/shop/data/history.csv")) == 750


def test_parquet_and_gzip_are_read_by_content(tmp_path: Path) -> None:
    frame = build_frame(900)
    frame.to_parquet(tmp_path / "rows.dat")
    settings = Settings(models_dir=tmp_path / "models")
    start_model(settings, "parquet", str(tmp_path / "rows.dat"), "sold")
    start(tmp_path, gzip.compress(frame.to_csv(index=False).encode()))
    first, second = (load_model_spec(tmp_path / "models" / name) for name in ("parquet", "shop"))
    assert first.features == second.features


def test_the_test_that_is_written_passes_and_fails(tmp_path: Path) -> None:
    start(tmp_path, build_frame(900))
    run = load_function(tmp_path / "models/shop/test_shop.py", "test_shop", "test_the_model_can_be_trained_and_served")
    run()
    (tmp_path / "models/shop/pipeline.py").write_text("def build_estimator(): ...")
    with pytest.raises(AssertionError):
        run()


FRAME = build_frame(300)


def write(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def replace_some(column: str, *values: object) -> bytes:
    cells = FRAME[column].astype("object").tolist()
    cells[20 : 20 + len(values)] = values
    return write(FRAME.assign(**{column: cells}))


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "no header": (lambda: FRAME.to_csv(index=False, header=False).encode(), "the first line has data where names"),
    "two columns of a name": (
        lambda: write(FRAME).replace(b"kind", b"temperature", 1),
        "2 columns 'temperature'. Keep one",
    ),
    "mixed types": (
        lambda: replace_some("temperature", "hot"),
        r"line 22: column 'temperature' is 'hot', where 299 of 300",
    ),
    "one label": (lambda: write(FRAME.assign(sold=7)), "the label 'sold' has only the value '7'"),
    "no label": (lambda: write(FRAME.assign(sold=None)), "the label 'sold' is empty in every row"),
    "three formats": (
        lambda: replace_some("at", "3.1.2011", "Jan 4, 2011", "1/31/2011"),
        r"column 'at' has times in \d formats or more, such as",
    ),
    "days or months": (
        lambda: write(FRAME.assign(at=[f"0{1 + number % 9}/0{1 + number // 50}/2011" for number in range(300)])),
        "its times can be read as %d/%m/%Y and as %m/%d/%Y",
    ),
    "ten thousand columns": (
        lambda: (",".join(f"c{number}" for number in range(10_000)) + "\n").encode(),
        "it has 10,000 columns, and 1,000 are allowed",
    ),
    "an empty file": (lambda: b"", "the file is empty"),
    "names alone": (lambda: b"at,kind,sold\n", "names of columns, but no row"),
    "prices in words": (
        lambda: write(FRAME.assign(sold=[f"about {number}" for number in range(300)])),
        r"50 classes are allowed, such as 'about 0'\. .*or write numbers without words and units",
    ),
    "an endless label": (lambda: replace_some("sold", "inf"), r"column 'sold' is 'inf', where .*Correct the other one"),
    "JSON": (
        lambda: FRAME.to_json(orient="records", date_format="iso").encode(),
        r"line 1: not CSV: .*Needed is a CSV",
    ),
    "another alphabet": (
        lambda: write(FRAME.assign(kind="Größe")).decode().encode("latin-1"),
        "Save the file as UTF-8",
    ),
    "a binary file": (lambda: b"\x7fELF\x02\x01\x01\x00\x00\x00\x00", "it has zero bytes"),
    "an Excel file": (lambda: b"PK\x03\x04 and more", "it is a zip archive"),
    "a broken line": (lambda: write(FRAME) + b"2011-09-09\n", "line 302: 1 value, where the header has 4 columns"),
    "another column": (
        lambda: write(FRAME.rename(columns={"sold": "sales"})),
        "--label 'sold' is no column. Columns are at",
    ),
    "few rows": (lambda: write(FRAME[:30]), "30 rows have a label and a time, and 50 are needed"),
    "names as labels": (
        lambda: write(FRAME.assign(sold=[f"order-{number}" for number in range(300)])),
        "has 300 different texts, and 50 classes are allowed",
    ),
    "nothing but a label": (lambda: write(FRAME[["sold"]]), "no column is left as a feature"),
    "one day": (
        lambda: write(FRAME.assign(at=[START + timedelta(minutes=number) for number in range(300)])),
        r"no first version could be trained: rows lie on 1 days .*train on\. Add rows, or rows of more days",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_are_refused_in_one_line_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(DataError, match=message) as raised:
        start(tmp_path, make())
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "models").glob("*")) if (tmp_path / "models").exists() else True


@pytest.mark.parametrize(
    ("name", "place", "message"),
    [
        ("shop", "", "it is no file but a folder"),
        ("shop", "nothing.csv", "there is no such file"),
        ("shop", "https://example.org/rows.csv", r"https is not read\. Allowed are a file of this machine"),
        ("Shop", "rows.csv", "'Shop' cannot name a model. Allowed are small letters"),
        ("../shop", "rows.csv", "cannot name a model"),
    ],
)
def test_a_wrong_name_or_place_is_refused(tmp_path: Path, name: str, place: str, message: str) -> None:
    write_to = tmp_path / "rows.csv"
    write_to.write_bytes(write(FRAME))
    with pytest.raises(CycloneError, match=message):
        start_model(
            Settings(models_dir=tmp_path / "models"), name, place if "://" in place else str(tmp_path / place), "sold"
        )


def test_a_model_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    start(tmp_path, build_frame(900))
    before = read_yaml(tmp_path)
    with pytest.raises(ConfigurationError, match=r"shop exists, and nothing is overwritten\. Take another name"):
        start(tmp_path, build_frame(1200))
    assert read_yaml(tmp_path) == before
