"""The split of requests over revisions."""

import random
from collections import Counter

import pytest

from local_platform.cloud_run.traffic import Split, build_block


@pytest.mark.parametrize(
    ("percents", "block"),
    [
        ({"old": 100}, {"old": 1}),
        ({"old": 80, "new": 20}, {"old": 4, "new": 1}),
        ({"old": 100, "new": 0}, {"old": 1}),
        ({"a": 34, "b": 33, "c": 33}, {"a": 34, "b": 33, "c": 33}),
        ({}, {}),
    ],
)
def test_a_block_is_the_shortest_list_with_every_share(percents: dict[str, int], block: dict[str, int]) -> None:
    assert Counter(build_block(percents)) == block


@pytest.mark.parametrize("new_percent", [1, 5, 20, 50, 99])
def test_the_split_is_exact_after_every_hundred_requests(new_percent: int) -> None:
    split = Split({"old": 100 - new_percent, "new": new_percent}, random.Random(7))
    for _ in range(3):
        assert Counter(split.choose() for _ in range(100))["new"] == new_percent


def test_clients_that_alternate_do_not_meet_one_revision_only() -> None:
    split = Split({"old": 50, "new": 50}, random.Random(7))
    every_other = [(split.choose(), split.choose())[0] for _ in range(400)]
    assert 150 < Counter(every_other)["new"] < 250


def test_no_traffic_is_no_revision() -> None:
    assert Split({}, random.Random(7)).choose() is None
