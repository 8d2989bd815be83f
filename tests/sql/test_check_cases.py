"""Every check against the cases in `<kind>/<check>.yaml`: given rows, the expected measurements and verdicts."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cyclone.checks.evaluation import evaluate_checks
from cyclone.checks.measurements import CHECKS_DIR
from cyclone.checks.verdicts import CheckResult
from cyclone.sections import CheckRules, Monitor, ReleaseRules
from cyclone.spec import ModelSpec
from cyclone.store import Store
from releasing.canary_judgement import judge_canary
from releasing.canary_measures import Window, compare_sides

FOLDER = Path(__file__).parent
NEVER_CONDEMN = ("canary/lost_share",)
CHECKS = sorted(f"{path.parent.name}/{path.stem}" for path in CHECKS_DIR.glob("*/*.sql"))
Case = dict[str, Any]


def load_cases(check: str) -> list[Case]:
    path = FOLDER / f"{check}.yaml"
    cases: list[Case] = yaml.safe_load(path.read_text()) if path.is_file() else []
    return cases


def list_cases(*kinds: str) -> list[Any]:
    return [
        pytest.param(check, case, id=f"{check}: {case['name']}")
        for check in CHECKS
        for case in load_cases(check)
        if check.split("/")[0] in kinds
    ]


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_case_for_each_verdict(check: str) -> None:
    verdicts = {row["verdict"] for case in load_cases(check) for row in case["expect"]}
    unsure = "inconclusive" if check.startswith("canary/") else "no_data"
    assert verdicts == {"passed", "failed", unsure} - ({"failed"} if check in NEVER_CONDEMN else set())


@pytest.mark.parametrize(("check", "case"), list_cases("drift", "error", "estimate", "service"))
@pytest.mark.usefixtures("first_champion")
def test_a_check_gives_the_expected_verdicts(
    store: Store, bike_demand: ModelSpec, insert: Any, check: str, case: Case
) -> None:
    kind, name = check.split("/")
    for table, rows in case["given"].items():
        insert(table, rows)
    monitor = Monitor.model_validate({kind: {name: CheckRules.model_validate(case["check"])}})
    spec = bike_demand.model_copy(update={"monitor": monitor})
    window_end = datetime.fromisoformat("2011-03-08T00:00Z")
    results = evaluate_checks(store, spec, kind, window_end, run_id="run")  # type: ignore[arg-type]
    assert [_describe(result, case["expect"]) for result in results] == _expect(case)


@pytest.mark.parametrize(("check", "case"), list_cases("canary"))
def test_a_canary_check_gives_the_expected_verdict(
    store: Store, bike_demand: ModelSpec, insert: Any, check: str, case: Case
) -> None:
    name = check.split("/")[1]
    for table, rows in case["given"].items():
        insert(table, rows)
    since, until = (datetime.fromisoformat(f"2026-01-01T0{hour}:00Z") for hour in (0, 1))
    spec = bike_demand.model_copy(update={"release": ReleaseRules.model_validate(case["release"])})
    window = Window(since, since, until)
    verdict = judge_canary(store, spec, "candidate", "champion", window)
    measured = compare_sides(store, spec.release, spec.name, "candidate", "champion", window)[name]
    sides = (measured.candidate, measured.champion)
    moments = {"verdict": verdict.verdict, "moments": len(measured.moments)}
    got = [_describe(item, case["expect"], **moments) for item in sides]
    assert got == _expect(case)
    assert case["reason"].lower() in verdict.reason.lower()


def _describe(item: CheckResult | Any, expected: list[Case], **more: Any) -> Case:
    """The fields of a result that the case speaks of."""
    fields = {**{key: getattr(item, key) for key in dir(item) if not key.startswith("_")}, **more}
    return {key: fields[key] for key in expected[0]}


def _expect(case: Case) -> list[Case]:
    return [
        {key: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value for key, value in row.items()}
        for row in case["expect"]
    ]
