"""The benchmark of Grafana's questions fails above its goal."""

import pytest

from benchmarks.grafana import GOAL_MS, find_exit_code


@pytest.mark.parametrize(
    ("slowest_ms", "is_small", "code"),
    [(GOAL_MS, False, 0), (GOAL_MS + 1, False, 1), (GOAL_MS + 1, True, 0)],
)
def test_only_a_whole_run_above_the_goal_fails(slowest_ms: float, is_small: bool, code: int) -> None:
    assert find_exit_code(slowest_ms, is_small=is_small) == code
