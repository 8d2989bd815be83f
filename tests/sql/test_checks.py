"""What holds for every check: the contract of its SQL, windows, limits, and how verdicts are recorded."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cyclone.checks.champion import find_champion
from cyclone.checks.evaluation import BROKEN, NOTHING, evaluate_checks
from cyclone.checks.measurements import CHECKS_DIR, load_check, measure
from cyclone.checks.verdicts import CheckResult, Measurement
from cyclone.errors import CheckError
from cyclone.sections import CheckRules, Monitor
from cyclone.spec import ModelSpec
from cyclone.store import Store

WINDOW_END = datetime(2011, 3, 8, tzinfo=UTC)
GOOD = "SELECT 'all' AS subject, 1.5::numeric AS value, 200 AS sample_size"


@pytest.fixture
def checks_dir(tmp_path: Path) -> Path:
    (tmp_path / "drift").mkdir()
    return tmp_path


def test_a_check_may_leave_out_the_standard_error(store: Store, checks_dir: Path) -> None:
    assert _measure(store, checks_dir, GOOD) == [Measurement("all", 1.5, None, 200)]


def test_nan_and_null_mean_that_there_is_no_value(store: Store, checks_dir: Path) -> None:
    sql = "SELECT 'a' AS subject, 'NaN'::float AS value, 3 AS sample_size UNION ALL SELECT 'b', NULL, 0"
    assert _measure(store, checks_dir, sql) == [Measurement("a", None, None, 3), Measurement("b", None, None, 0)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT 1 AS value",
            "check drift/mine returns the columns value. Needed are subject, value and",
        ),
        ("SELECT 'a' AS subject, 1 AS value, 1 AS sample_size, 1 AS more", "returns the columns subject, value,"),
        (f"{GOOD} UNION ALL {GOOD}", "check drift/mine returns 2 rows for 'all'. One row a subject is allowed"),
        (GOOD.replace("1.5::numeric", "'infinity'::float"), "for 'all' the value inf. A finite number"),
        (GOOD.replace("1.5::numeric", "'much'"), "for 'all' the value 'much'. A finite number"),
        (GOOD.replace("200", "-1"), "the sample_size -1. A bigint from 0 is needed"),
        (GOOD.replace("200", "1.5"), r"the sample_size Decimal\('1.5'\). A bigint from 0"),
        (GOOD.replace("'all'", "NULL"), "the subject None. A text that is not empty"),
        ("SELECT 1 FROM nowhere", 'check drift/mine does not run: relation "nowhere" does not exist'),
        (f"{GOOD} WHERE %(colour)s = 'red'", "'colour' is no parameter. Parameters are model, version"),
        (f"{GOOD} WHERE 'a' LIKE '%a'", "a literal % as %%"),
        ("DELETE FROM label RETURNING id", "cannot execute DELETE in a read-only transaction"),
    ],
)
def test_a_check_that_breaks_its_contract_is_named(store: Store, checks_dir: Path, sql: str, message: str) -> None:
    with pytest.raises(CheckError, match=message):
        _measure(store, checks_dir, sql)


@pytest.mark.usefixtures("first_champion")
def test_one_broken_check_stops_no_other_and_is_reported(
    store: Store, bike_demand: ModelSpec, checks_dir: Path
) -> None:
    _write(checks_dir, a_broken="SELECT 1 / 0", b_good=GOOD, c_broken="SELEKT")
    spec = _watch(bike_demand, "a_broken", "b_good", "c_broken")
    with pytest.raises(CheckError, match=r"(?s)drift/a_broken does not run: division by zero.*\ncheck drift/c_br"):
        evaluate_checks(store, spec, "drift", WINDOW_END, "run", checks_dir)
    recorded = store.fetch("verdicts/at", run_id="run", model="bike_demand", kind="drift", window_end=WINDOW_END)
    assert [(row["check_name"], row["subject"], row["verdict"]) for row in recorded] == [
        ("a_broken", BROKEN, "no_data"),
        ("b_good", "all", "failed"),
        ("c_broken", BROKEN, "no_data"),
    ]


@pytest.mark.parametrize(
    ("sql", "subject", "reason"),
    [
        ("SELECT 1 AS value", BROKEN, "check drift/a_bad returns the columns value. Needed are subject"),
        (f"{GOOD} WHERE false", NOTHING, "0 samples, 100 are needed"),
        (GOOD.replace("1.5::numeric", "'NaN'::float"), "all", "the check returns no value"),
        (f"{GOOD} UNION ALL {GOOD}", BROKEN, "check drift/a_bad returns 2 rows for 'all'. One row a subject"),
        (f"{GOOD} WHERE %(colour)s = 'red'", BROKEN, "check drift/a_bad: 'colour' is no parameter. Parameters are"),
    ],
)
@pytest.mark.usefixtures("first_champion")
def test_whatever_a_check_returns_its_neighbour_has_its_verdict(
    store: Store, bike_demand: ModelSpec, checks_dir: Path, sql: str, subject: str, reason: str
) -> None:
    _write(checks_dir, a_bad=sql, b_good=GOOD)
    spec = _watch(bike_demand, "a_bad", "b_good")
    with pytest.raises(CheckError, match="a_bad") if subject == BROKEN else nullcontext():
        evaluate_checks(store, spec, "drift", WINDOW_END, "run", checks_dir)
    bad, good = store.fetch("verdicts/at", run_id="run", model="bike_demand", kind="drift", window_end=WINDOW_END)
    assert (bad["check_name"], bad["subject"], bad["verdict"]) == ("a_bad", subject, "no_data")
    assert bad["reason"].startswith(reason)
    assert (good["check_name"], good["subject"], good["verdict"]) == ("b_good", "all", "failed")


@pytest.mark.usefixtures("first_champion")
def test_a_features_name_is_data_from_its_bins_to_its_verdict(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    names = ["a'b", 'a"b', "a'); DROP TABLE label;--", "{brace}", "%(percent)s %", "größe 🚲", "\\", "x" * 60]
    hour = WINDOW_END - timedelta(hours=1)
    insert(
        "reference_bin",
        [{"feature": name, "bin": n, "lower_bound": n or None, "count": 50} for name in names for n in (0, 1)],
    )
    insert(
        "feature_rollup",
        [{"feature": name, "bin": 1, "bucket_start": hour, "count": 200} for name in names],
    )
    checks = {path.stem: CheckRules(limit=0.01) for path in (CHECKS_DIR / "drift").glob("*.sql")}
    spec = bike_demand.model_copy(update={"monitor": Monitor(drift=checks)})
    results = evaluate_checks(store, spec, "drift", WINDOW_END, "run")
    failed = {item.subject for item in results if item.check_name == "chi_squared" and item.verdict == "failed"}
    assert failed == set(names)
    assert [item.reason for item in results if item.subject == BROKEN] == []


@pytest.mark.usefixtures("first_champion")
def test_a_check_without_a_file_is_named_and_the_others_run(
    store: Store, bike_demand: ModelSpec, checks_dir: Path
) -> None:
    _write(checks_dir, one=GOOD, two=GOOD)
    spec = _watch(bike_demand, "one", "three")
    message = r"drift check 'three': .*three\.sql does not exist. The drift checks there: one, two"
    with pytest.raises(CheckError, match=message):
        evaluate_checks(store, spec, "drift", WINDOW_END, "run", checks_dir)
    recorded = store.fetch("verdicts/at", run_id="run", model="bike_demand", kind="drift", window_end=WINDOW_END)
    assert [(row["check_name"], row["verdict"]) for row in recorded] == [("one", "failed"), ("three", "no_data")]


@pytest.mark.usefixtures("first_champion")
def test_a_check_without_any_row_is_recorded_as_no_data(store: Store, bike_demand: ModelSpec, checks_dir: Path) -> None:
    _write(checks_dir, empty=f"{GOOD} WHERE false")
    (result,) = evaluate_checks(store, _watch(bike_demand, "empty"), "drift", WINDOW_END, "run", checks_dir)
    assert (result.subject, result.verdict) == (NOTHING, "no_data")


@pytest.mark.usefixtures("first_champion")
def test_a_window_is_whole_days_and_a_result_survives_json(
    store: Store, bike_demand: ModelSpec, checks_dir: Path
) -> None:
    _write(checks_dir, mine=GOOD)
    window_end = WINDOW_END + timedelta(hours=23, minutes=59)
    (result,) = evaluate_checks(store, _watch(bike_demand, "mine"), "drift", window_end, "run", checks_dir)
    assert result == CheckResult(
        kind="drift",
        check_name="mine",
        subject="all",
        version=1,
        value=1.5,
        standard_error=None,
        sample_size=200,
        limit=0.2,
        verdict="failed",
        window_start=WINDOW_END - timedelta(days=7),
        window_end=WINDOW_END,
    )
    assert CheckResult.from_json(result.to_json()) == result


@pytest.mark.usefixtures("first_champion")
def test_a_run_repeated_records_nothing_new_and_returns_what_was_recorded(
    store: Store, bike_demand: ModelSpec, insert: Any
) -> None:
    row = {"bucket_start": WINDOW_END - timedelta(hours=1), "count": 100, "sum_squared_error": 1e6}
    insert("error_rollup", [{**row, "sum_absolute_error": 9000}])
    monitor = Monitor(error={"mean_absolute_error": CheckRules(limit=1.75)})
    bike_demand = bike_demand.model_copy(update={"monitor": monitor})
    first = evaluate_checks(store, bike_demand, "error", WINDOW_END, "run")
    insert("error_rollup", [{**row, "bucket_start": WINDOW_END - timedelta(hours=2), "sum_absolute_error": 1}])
    again = evaluate_checks(store, bike_demand, "error", WINDOW_END, "run")
    later = evaluate_checks(store, bike_demand, "error", WINDOW_END, "run-2")
    errors = [{item.check_name: item.value for item in results} for results in (first, later)]
    assert [values["mean_absolute_error"] for values in errors] == [90.0, 45.005]
    assert again == first


@pytest.mark.usefixtures("first_champion")
def test_models_that_share_a_run_id_keep_their_own_verdicts(
    store: Store, bike_demand: ModelSpec, insert: Any, checks_dir: Path
) -> None:
    insert("reference_profile", [{"model": "other"}])
    insert("release", [{"model": "other", "run_id": "other"}])
    _write(checks_dir, mine=GOOD)
    spec = _watch(bike_demand, "mine")
    for model in (spec, spec.model_copy(update={"name": "other"})):
        assert len(evaluate_checks(store, model, "drift", WINDOW_END, "run", checks_dir)) == 1


def test_without_a_champion_there_is_nothing_to_check(store: Store, bike_demand: ModelSpec) -> None:
    assert evaluate_checks(store, bike_demand, "error", WINDOW_END, "run") == []


def test_the_champion_is_the_newest_promotion_of_the_time_that_was_not_rolled_back(store: Store, insert: Any) -> None:
    def at(day: int) -> datetime:
        return datetime(2011, 3, day, tzinfo=UTC)

    insert("reference_profile", [{"version": version} for version in (1, 2, 3)])
    insert(
        "release",
        [
            {"version": 1, "run_id": "1", "promoted_at": at(1)},
            {"version": 2, "run_id": "2", "promoted_at": at(3), "ended_at": at(5), "state": "rolled_back"},
            {"version": 3, "run_id": "3", "promoted_at": None, "state": "canary"},
        ],
    )
    seen = [find_champion(store, "bike_demand", at(day)) for day in (1, 2, 3, 4, 5, 9)]
    assert [champion and champion.version for champion in seen] == [1, 1, 2, 2, 1, 1]
    assert find_champion(store, "bike_demand", datetime(2011, 2, 28, tzinfo=UTC)) is None


@pytest.mark.parametrize("path", sorted(CHECKS_DIR.glob("*/*.sql")), ids=lambda path: path.stem)
def test_no_check_reads_the_clock(path: Path) -> None:
    sql = path.read_text().lower()
    for clock in ("now()", "current_timestamp", "clock_timestamp", "current_date", "localtime"):
        assert clock not in sql


def _measure(store: Store, checks_dir: Path, sql: str) -> list[Measurement]:
    _write(checks_dir, mine=sql)
    return measure(
        store,
        load_check("drift", "mine", checks_dir),
        model="bike_demand",
        version=1,
        window_start=WINDOW_END - timedelta(days=7),
        window_end=WINDOW_END,
    )


def _write(checks_dir: Path, **statements: str) -> None:
    for name, sql in statements.items():
        (checks_dir / "drift" / f"{name}.sql").write_text(sql)


def _watch(spec: ModelSpec, *names: str) -> ModelSpec:
    return spec.model_copy(update={"monitor": Monitor(drift={name: CheckRules(limit=0.2) for name in names})})
