from dataclasses import replace

import numpy as np
import pytest

from cyclone.checks.chance import Null
from cyclone.checks.verdicts import Item, Measurement, Standards, judge
from cyclone.sections import CheckRules

NULL = Null(9 * (1 / 200 + 1 / 800), 9, None, 7, 200, 800)
SUBJECTS = ("temperature", "wind", "prediction")
STANDARDS = Standards(
    alpha=0.05,
    accepted_error=10.0,
    errors={"root_mean_squared_error": 14.0},
    nulls={("population_stability", subject): NULL for subject in SUBJECTS},
    completeness_floor=0.95,
)
BY_CHANCE, BY_LIMIT = CheckRules(), CheckRules(limit=0.2)


def measured(
    subject: str, value: float | None, check: CheckRules = BY_CHANCE, rows: int = 200, error: float | None = None
) -> Item:
    return Item("population_stability", check, Measurement(subject, value, error, rows))


def test_subjects_share_one_false_alarm_rate() -> None:
    items = [measured(subject, value) for subject, value in zip(SUBJECTS, (0.118, 0.05, 0.04), strict=True)]
    together, alone = judge("drift", items, STANDARDS), judge("drift", items[:1], STANDARDS)
    assert [judgement.verdict for judgement in together] == ["passed"] * 3
    assert alone[0].verdict == "failed"
    assert alone[0].p_value == together[0].p_value
    assert alone[0].limit is not None
    assert together[0].limit is not None
    assert alone[0].limit < 0.118 < together[0].limit


def test_a_limit_of_the_user_is_absolute_and_takes_no_share_of_the_rate() -> None:
    items = [measured("temperature", 0.21, BY_LIMIT), measured("wind", 0.2, BY_LIMIT), measured("prediction", 0.118)]
    judgements = judge("drift", items, STANDARDS)
    assert [judgement.verdict for judgement in judgements] == ["failed", "passed", "failed"]
    assert [judgement.p_value is None for judgement in judgements] == [True, True, False]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (measured("temperature", 9.0, rows=99), "99 samples, 100 are needed"),
        (measured("temperature", None), "the check returns no value"),
        (measured("temperature", float("nan")), "the check returns no value"),
        (
            replace(measured("temperature", 9.0), completeness=0.9),
            "90.0% of the window's rows are in the log, 95.0% are needed",
        ),
        (measured("unheard of", 9.0), "the reference does not tell how far chance goes: set a limit"),
        (replace(measured("temperature", 9.0), fault="check drift/mine does not run"), "check drift/mine does not run"),
    ],
)
def test_what_cannot_be_said_has_its_reason(item: Item, reason: str) -> None:
    (judgement,) = judge("drift", [item], STANDARDS)
    assert (judgement.verdict, judgement.reason) == ("no_data", reason)


def test_an_error_is_judged_by_a_multiple_of_its_own_accepted_one_or_by_chance() -> None:
    def limit_of(name: str, check: CheckRules, error: float | None = 2.0) -> float | None:
        item = Item(name, check, Measurement("all", 12.0, error, 200), days=7.0)
        return judge("error", [item], STANDARDS)[0].limit

    assert limit_of("root_mean_squared_error", CheckRules(limit=1.5)) == 21.0
    assert limit_of("bias", CheckRules(limit=1.5)) == 15.0
    assert limit_of("mean_absolute_error", BY_CHANCE) == pytest.approx(10 + 2 * 1.9431802803927816)
    assert limit_of("bias", BY_CHANCE) == pytest.approx(2 * 1.9431802803927816)
    assert limit_of("bias", BY_CHANCE, error=None) is None


@pytest.mark.parametrize("labelled_days", [2, 3, 7])
def test_an_error_fails_by_chance_as_rarely_as_promised_on_however_many_days_labels_came(labelled_days: int) -> None:
    days = 10 + np.random.default_rng(labelled_days).normal(size=(40_000, labelled_days))
    errors = days.std(axis=1, ddof=1) / labelled_days**0.5
    items = [
        Item(
            "mean_absolute_error",
            BY_CHANCE,
            Measurement("all", float(value), float(error), 200),
            days=float(labelled_days),
        )
        for value, error in zip(days.mean(axis=1), errors, strict=True)
    ]
    failed = [judgement.verdict == "failed" for judgement in judge("error", items, replace(STANDARDS, alpha=0.001))]
    assert 20 <= sum(failed) <= 60


def test_rows_of_fewer_days_than_the_window_has_let_drift_stray_further() -> None:
    alike = replace(STANDARDS, nulls={("population_stability", "wind"): replace(NULL, days=60)})
    whole = measured("wind", 0.2)
    results = judge("drift", [whole], alike) + judge("drift", [replace(whole, days=2.0)], alike)
    assert [result.verdict for result in results] == ["failed", "passed"]
    assert results[1].limit == pytest.approx(3.5 * (results[0].limit or 0))
