"""How a benchmark ends."""

import json

import pytest

from benchmarks.figures import print_figures


def test_a_small_run_says_so_beside_the_keys_of_a_full_one(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"ratio": 1.5, "rounds": 3}
    print_figures(figures, ("ratio",), is_small=False)
    print_figures(figures, ("ratio",), is_small=True)
    print_figures(figures, is_small=False)
    full, small, every = map(json.loads, capsys.readouterr().out.splitlines())
    assert (full, small, every) == ({"ratio": 1.5}, {"ratio": 1.5, "small": True}, figures)


def test_a_figure_that_was_not_measured_ends_the_benchmark() -> None:
    with pytest.raises(KeyError, match="ratio"):
        print_figures({"rounds": 3}, ("ratio",), is_small=True)
