"""The benchmark of the page in Airflow fails above its goals."""

import pytest

from benchmarks.page.__main__ import GOAL_KB, GOAL_MS, Cost, find_exit_code


@pytest.mark.parametrize(
    ("milliseconds", "kilobytes", "is_small", "code"),
    [
        (GOAL_MS, GOAL_KB, False, 0),
        (GOAL_MS + 1, GOAL_KB, False, 1),
        (GOAL_MS, GOAL_KB + 1, False, 1),
        (GOAL_MS + 1, GOAL_KB + 1, True, 0),
    ],
)
def test_only_a_whole_run_above_a_goal_fails(milliseconds: float, kilobytes: float, is_small: bool, code: int) -> None:
    found = [Cost("one", 1, 1), Cost("other", milliseconds, kilobytes)]
    assert find_exit_code(found, is_small=is_small) == code
