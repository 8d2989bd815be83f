"""The conditions of Google Cloud under which the stand-in can be made to run."""

import random
from collections import Counter

import pytest

from local_platform.cloud_run.conditions import Quota
from local_platform.cloud_run.errors import ApiError
from local_platform.cloud_run.traffic import RandomSplit


def test_a_random_split_is_near_its_percents_over_many_requests_and_not_exact_over_few() -> None:
    split = RandomSplit({"old": 80, "new": 20, "none": 0}, random.Random(7))
    blocks = [Counter(split.choose() for _ in range(5)) for _ in range(400)]
    assert len({block["new"] for block in blocks}) > 2
    total = sum(blocks, Counter[str | None]())
    assert set(total) == {"old", "new"}
    assert 0.16 < total["new"] / 2000 < 0.24
    assert RandomSplit({"old": 0}, random.Random(7)).choose() is None


def test_a_quota_refuses_one_call_too_many_and_lets_later_ones_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("local_platform.cloud_run.conditions.time.monotonic", lambda: now[0])
    quota = Quota(2, 60)
    quota.count()
    quota.count()
    with pytest.raises(ApiError, match="Here it is 2 in 60 s") as refused:
        quota.count()
    assert (refused.value.http_code, refused.value.status.name) == (429, "RESOURCE_EXHAUSTED")
    now[0] = 60.0
    quota.count()


def test_without_calls_a_quota_has_no_limit() -> None:
    for _ in range(1000):
        Quota(0, 60).count()
