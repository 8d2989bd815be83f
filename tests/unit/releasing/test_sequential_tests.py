import random
import statistics

import pytest

from releasing.sequential_tests import bound_difference, bound_distribution, bound_mean, bound_share


@pytest.mark.parametrize(("count", "size"), [(0, 10), (1, 10), (10, 10), (7, 1000), (500, 1000)])
def test_a_share_lies_within_its_bounds_which_narrow_with_a_higher_alpha(count: int, size: int) -> None:
    wide, narrow = bound_share(count, size, 0.001), bound_share(count, size, 0.2)
    assert 0 <= wide.low <= narrow.low <= count / size <= narrow.high <= wide.high <= 1


def test_of_shares_looked_at_after_every_trial_few_ever_leave_their_bounds() -> None:
    """One look at the end of 600 trials would be right in 95 %. So are all 600 looks together."""
    generator, share, left = random.Random(7), 0.05, 0
    for _ in range(200):
        count = 0
        for size in range(1, 601):
            count += generator.random() < share
            bounds = bound_share(count, size, 0.05) if size % 5 == 0 else None
            if bounds and not bounds.low <= share <= bounds.high:
                left += 1
                break
    assert left <= 10


def test_of_means_looked_at_after_every_sample_few_ever_leave_their_bounds() -> None:
    generator, left = random.Random(7), 0
    for _ in range(300):
        samples: list[float] = []
        for size in range(1, 101):
            samples.append(generator.gauss(0.0, 1.0))
            noise = statistics.stdev(samples) / size**0.5 if size > 1 else float("inf")
            bounds = bound_mean(statistics.fmean(samples), noise, size, 0.05)
            if not bounds.low <= 0 <= bounds.high:
                left += 1
                break
    assert left <= 15


def test_a_difference_is_surer_the_more_trials_there_are() -> None:
    few, many = bound_difference((6, 100), (10, 1000), 0.05), bound_difference((600, 10_000), (1000, 100_000), 0.05)
    assert few.low < 0 < many.low < 0.05 < many.high < few.high


def test_a_mean_of_enough_clusters_without_spread_is_known_and_one_of_too_few_is_not() -> None:
    assert (bound_mean(3.0, 0.0, 5.0, 0.05).low, bound_mean(3.0, 0.0, 5.0, 0.05).high) == (3.0, 3.0)
    assert bound_mean(3.0, 0.0, 2.0, 0.05).high == float("inf")
    assert bound_mean(3.0, float("inf"), 1.0, 0.05).low == -float("inf")


def test_a_distribution_of_nothing_may_be_any() -> None:
    assert bound_distribution(0, 0.05) == 1.0
    assert 0 < bound_distribution(10_000, 0.05) < bound_distribution(100, 0.05) < 1
