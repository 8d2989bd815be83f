import doctest

import pytest

import training.gate
from training.gate import GateDecision, decide


def test_the_examples_hold() -> None:
    assert doctest.testmod(training.gate).failed == 0


def test_without_a_champion_any_challenger_passes() -> None:
    assert decide(None, 99.0, margin=0.0, rows=72) == GateDecision(
        True, None, 99.0, 72, "there is no champion to compare with"
    )


@pytest.mark.parametrize(
    ("challenger_error", "margin", "passed"),
    [(9.9, 0.0, True), (10.0, 0.0, True), (10.1, 0.0, False), (10.9, 0.1, True), (11.1, 0.1, False)],
)
def test_a_challenger_may_be_worse_by_the_margin_and_no_more(
    challenger_error: float, margin: float, passed: bool
) -> None:
    assert decide(10.0, challenger_error, margin, rows=72).passed is passed
