"""Which ids an instance knows to be another row's."""

import pytest

from bento_service.recent_ids import RecentIds

FEATURES = ("hour", "weather")


@pytest.mark.parametrize(
    ("first", "again", "conflicts"),
    [
        ({"hour": 1, "weather": "rain"}, {"weather": "rain", "hour": 1.0}, []),
        ({"hour": 1, "weather": None}, {"hour": 1}, []),
        ({"hour": 1}, {"hour": 2}, [0]),
        ({"hour": -1}, {"hour": -2}, [0]),
        ({"hour": -1, "weather": -2}, {"hour": -2, "weather": -1}, [0]),
        ({"hour": 1}, {"hour": "1"}, [0]),
    ],
)
def test_rows_are_the_same_when_their_values_are(first: dict, again: dict, conflicts: list[int]) -> None:  # type: ignore[type-arg]
    recent = RecentIds(FEATURES)
    assert recent.claim(["a"], [first]) == []
    assert recent.claim(["a"], [again]) == conflicts


def test_the_newest_ids_are_remembered_and_the_oldest_forgotten() -> None:
    recent = RecentIds(FEATURES, remembered=10)
    for number in range(35):
        assert recent.claim([str(number)], [{"hour": number}]) == []
    conflicts = [number for number in reversed(range(35)) if recent.claim([str(number)], [{"hour": "another"}])]
    assert conflicts == list(range(34, 21, -1))
