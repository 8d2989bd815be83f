"""What newcomers do wrong: each mistake is told in one line with the place and the remedy, without a traceback."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cyclone.settings import Settings
from training.checking.check import check_model

MODEL_YAML = """name: shop
task: regression
features:
  - {name: hour, type: integer, range: [0, 23]}
  - {name: kind, type: category, values: [big, small]}
  - {name: price, type: number, range: [0, 100], nullable: true}
label: {name: sold, type: integer, range: [0, 1000], expected_delay_hours: 24}
history: data/history.csv
history_until: "2011-02-10"
"""
PIPELINE = """from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder


def build_estimator():
    encode = make_column_transformer((OrdinalEncoder(), ["kind"]), remainder="passthrough")
    return make_pipeline(encode, HistGradientBoostingRegressor(max_iter=5))
"""
LAST = "    return make_pipeline(encode, HistGradientBoostingRegressor(max_iter=5))\n"
FIRST_ROW = "2011-01-01T00:00:00Z,0,small,0.5,0\n"


def write_rows() -> str:
    lines = ["created_at,hour,kind,price,sold\n"]
    for number in range(1200):
        day, hour = divmod(number, 24)
        kind, price = ("small", "big")[number % 2], f"{number % 7 + 0.5}"
        at = f"2011-{day // 28 + 1:02}-{day % 28 + 1:02}T{hour:02}:00:00Z"
        lines.append(f"{at},{hour},{kind},{price},{hour * (1 + number % 2) + number % 5}\n")
    return "".join(lines)


ROWS = write_rows()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "shop" / "data").mkdir(parents=True)
    (tmp_path / "shop" / "model.yaml").write_text(MODEL_YAML)
    (tmp_path / "shop" / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "shop" / "data" / "history.csv").write_text(ROWS)
    return tmp_path


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Edit a file of the model as a newcomer would."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def configure(old: str, new: str) -> Callable[[Path], None]:
    return change("model.yaml", old, new)


def enter(old: str, new: str) -> Callable[[Path], None]:
    return change("data/history.csv", old, new)


def build(new: str) -> Callable[[Path], None]:
    return change("pipeline.py", LAST, new)


def leave_out(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def copy_label(folder: Path) -> None:
    header, *lines = ROWS.splitlines()
    lines = [",".join([*line.split(",")[:3], line.split(",")[-1], line.split(",")[-1]]) for line in lines]
    (folder / "data/history.csv").write_text("\n".join([header, *lines]))


def stand_still(folder: Path) -> None:
    (folder / "data/history.csv").write_text(re.sub(r",\d+$", ",7", ROWS, flags=re.MULTILINE))


def save_as_excel(folder: Path) -> None:
    (folder / "data/history.csv").write_bytes(b"PK\x03\x04 and more")


FITTED = "    rows = [[1.0], [2.0]]\n    return LinearRegression().fit(rows, [1.0, 2.0])\n"
KEPT = """KEPT = make_pipeline(make_column_transformer((OrdinalEncoder(), ["kind"])), HistGradientBoostingRegressor())


def build_estimator():
    return KEPT
"""
WITH_LAMBDA = """    chosen = make_column_transformer((FunctionTransformer(lambda rows: rows), ["hour"]))
    return make_pipeline(chosen, LinearRegression())
"""
MISTAKES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a task misspelled": (configure("regression", "regresion"), r"model\.yaml, line 2: task: .* \(value 'regresion'\)"),
    "a tab": (configure("  - {name: kind", "\t- {name: kind"), r"model\.yaml, line 5: not readable as YAML: .*Look at"),
    "no delay": (configure(", expected_delay_hours: 24", ""), r"line 7: label\.expected_delay_hours: missing\. It has"),
    "a key misspelled": (configure("history:", "histroy:"), r"line 8: histroy: unknown key .*see docs"),
    "a key twice": (configure("task:", "name: shop\ntask:"), r"line 2: .*the key 'name' is there twice\. Keep one"),
    "a type of Python": (configure("type: number", "type: float"), r"line 6: features\.2\.type: .*\(value 'float'\)"),
    "yes and no": (configure("[big, small]", "[big, no]"), r"line 5: features\.1\.values\.1: .*write it in quotes"),
    "a range reversed": (configure("[0, 23]", "[23, 0]"), r"line 4: features\.0: range .* lower bound first"),
    "the label as feature": (configure("name: price", "name: sold"), r"feature 'sold': this name is taken"),
    "no values": (configure(", values: [big, small]", ""), r"line 5: features\.1: values are needed for a category"),
    "a number for yes": (configure("task: regression", "task: binary"), r"a binary model needs boolean"),
    "a date bare": (configure('"2011-02-10"', "2011-02-10"), r"line 9: history_until: .*a date: write it in quotes"),
    "no history": (leave_out("data/history.csv"), r"history 'data/history\.csv': .* does not exist\. Put the file"),
    "another name": (configure("name: shop", "name: store"), r"name 'store' must be the folder's name 'shop'"),
    "a column less": (enter("hour,kind,", "hour,sort,"), r"history\.csv: no column kind\. Needed are"),
    "a column twice": (enter("hour,kind,price", "hour,kind,kind"), r"there are 2 columns 'kind'\. Keep one"),
    "out of range": (
        enter(FIRST_ROW, FIRST_ROW.replace(",0,small", ",24,small")),
        r"line 2: hour is 24, allowed: .*0 to 23",
    ),
    "a new value": (enter(FIRST_ROW, FIRST_ROW.replace("small", "tiny")), r"line 2: kind is 'tiny', allowed: one of"),
    "an empty cell": (enter(FIRST_ROW, FIRST_ROW.replace(",0,small", ",,small")), r"line 2: hour is None, allowed: an"),
    "a decimal comma": (
        enter(FIRST_ROW, FIRST_ROW.replace("0.5", '"0,5"')),
        r"line 2: price is '0,5', allowed: a finite",
    ),
    "a German date": (
        enter("2011-01-01T00:00:00Z", "1.1.2011"),
        r"line 2: created_at is '1\.1\.2011', allowed: an ISO",
    ),
    "a line too short": (
        enter(FIRST_ROW, "2011-01-01,0\n"),
        r"line 2: 2 values, where the header has 5 columns\. Corr",
    ),
    "one label": (stand_still, r"rows have the label 7, so nothing can be learned"),
    "a leak": (copy_label, r"feature 'price' is the label in all .* Remove it from model\.yaml"),
    "too early": (configure("2011-02-10", "2011-01-03"), r"before history_until 2011-01-03: 48 labelled rows"),
    "a file of Excel": (save_as_excel, r"it is a zip archive, as Excel's files are\. Needed is a CSV"),
    "a syntax error": (change("pipeline.py", "encode, Hist", "encode Hist"), r"pipeline\.py, line 10: .*SyntaxError"),
    "a package less": (
        change("pipeline.py", "from sklearn.pip", "import no_such\nfrom sklearn.pip"),
        r"line 4: .*no_such",
    ),
    "no file": (leave_out("pipeline.py"), r"pipeline\.py: missing\. It has to define build_estimator\(\)"),
    "another function": (
        change("pipeline.py", "build_estimator", "make_model"),
        r"build_estimator is not defined\. Define",
    ),
    "no return": (build("    make_pipeline(encode)\n"), r"returns None, which has no fit\. Return an unfitted"),
    "a class": (build("    return LinearRegression\n"), r"returns the class LinearRegression\. Return one: LinearRegr"),
    "fitted": (build(FITTED), r"returns an estimator that is fitted already\. Return a new one"),
    "one for all": (
        change("pipeline.py", PIPELINE[PIPELINE.index("def build") :], KEPT),
        r"build_estimator\(\) of pipeline\.py returns an estimator that is fitted already\. Return a new one",
    ),
    "an argument": (change("pipeline.py", "estimator():", "estimator(depth):"), r"TypeError: .*argument: 'depth'"),
    "an error": (build("    return encode.nothing\n"), r"fails in line 10: AttributeError: .*'nothing'\. Correct it"),
    "a function": (build(WITH_LAMBDA), r"types that nobody has reviewed|cannot be written to a file"),
    "no numbers": (
        build("    return LinearRegression()\n"),
        r"refuses to be trained on .*could not convert string to f",
    ),
    "an exit": (
        change("pipeline.py", "\n\ndef", "\nraise SystemExit(3)\n\n\ndef"),
        r"line 7: it cannot be imported: Sy",
    ),
    "no columns": (configure("history: ", "inputs: matrix\nhistory: "), r"using strings is only .*a matrix of floats"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(models: Path, name: str) -> None:
    mistake, expected = MISTAKES[name]
    mistake(models / "shop")
    faults = check_model(Settings(models_dir=models), "shop").faults
    assert len(faults) == 1, faults
    assert "\n" not in faults[0]
    assert re.search(expected, faults[0]), faults[0]


def test_there_are_thirty_of_them_and_a_model_without_any_is_sound(models: Path) -> None:
    assert len(MISTAKES) >= 30
    checked = check_model(Settings(models_dir=models), "shop")
    assert (checked.faults, checked.notes, checked.rows) == ([], [], 1200)
    assert 0 <= checked.answer <= 60


def test_several_mistakes_are_as_many_lines(models: Path) -> None:
    folder = models / "shop"
    enter(FIRST_ROW, FIRST_ROW.replace("small", "tiny"))(folder)
    enter("2011-01-03T05:00:00Z,5", "2011-01-03T05:00:00Z,55")(folder)
    build("    make_pipeline(encode)\n")(folder)
    faults = check_model(Settings(models_dir=models), "shop").faults
    places = [re.search(r"line \d+|build_estimator", fault) for fault in faults]
    assert [place and place[0] for place in places] == ["line 2", "line 55", "build_estimator"]


def test_thousands_of_equal_faults_are_told_as_such(models: Path) -> None:
    configure("[0, 1000]", "[0, 10]")(models / "shop")
    faults = check_model(Settings(models_dir=models), "shop").faults
    assert len(faults) == 21
    assert re.search(r"\d\d\d more rows like these cannot be used", faults[-1])


def test_a_model_that_does_not_exist_is_named_with_those_that_do(models: Path) -> None:
    (fault,) = check_model(Settings(models_dir=models), "shpo").faults
    assert fault.endswith("Models there: shop")


def test_times_without_a_zone_are_no_fault_but_are_told(models: Path) -> None:
    enter(":00Z", ":00")(models / "shop")
    checked = check_model(Settings(models_dir=models), "shop")
    assert checked.faults == []
    assert "line 2: created_at '2011-01-01T00:00:00' has no zone and is read as UTC" in checked.notes[0]


def test_a_model_without_history_is_fitted_on_rows_that_it_allows(models: Path) -> None:
    configure('history: data/history.csv\nhistory_until: "2011-02-10"\n', "")(models / "shop")
    shutil.rmtree(models / "shop" / "data")
    checked = check_model(Settings(models_dir=models), "shop")
    assert checked.faults == []
    assert "made-up rows were fitted" in checked.notes[0]
    build("    return LinearRegression()\n")(models / "shop")
    assert len(check_model(Settings(models_dir=models), "shop").faults) == 1
