"""The worlds of late labels: each is what its name says."""

import numpy as np
import pytest

from benchmarks.policy.late_labels import EXPECTED_DAYS, WORLDS, Year, find_rate

LABELS = np.arange(10_000) % 10 == 0
DELAYS = {world.name: world.delay(np.random.default_rng(1), LABELS) for world in WORLDS}


@pytest.mark.parametrize(
    ("name", "late_of_true", "late_of_false"),
    [
        ("in time", 0, 0),
        ("a third late", 0.25, 0.25),
        ("true first", 0, 0),
        ("true first, false late", 0, 1),
        ("false first, true late", 1, 0),
    ],
)
def test_labels_are_as_late_as_a_world_says(name: str, late_of_true: float, late_of_false: float) -> None:
    late = DELAYS[name] > EXPECTED_DAYS
    assert late[LABELS].mean() == pytest.approx(late_of_true, abs=0.05)
    assert late[~LABELS].mean() == pytest.approx(late_of_false, abs=0.05)


def test_a_rate_is_of_all_years_together() -> None:
    assert find_rate([Year(365, 3, 1, 0, 2.1), Year(365, 0, 0, 9, 1.0)]) == 0.5
