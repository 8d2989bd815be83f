"""Paging of lists."""

import pytest

from local_platform.cloud_run.api import take_page
from local_platform.cloud_run.errors import ApiError


def test_pages_follow_each_other_without_gap_or_overlap() -> None:
    keys = ["a", "b", "c"]
    assert take_page(keys, keys, 2, "") == (["a", "b"], "b")
    assert take_page(keys, keys, 2, "b") == (["c"], "")
    assert take_page(keys, keys, 0, "") == (keys, "")
    assert take_page([], [], 2, "") == ([], "")


@pytest.mark.parametrize(("size", "token", "message"), [(-1, "", "-1 is negative"), (2, "x", "'x' is not one")])
def test_a_bad_page_is_refused(size: int, token: str, message: str) -> None:
    with pytest.raises(ApiError, match=message) as refused:
        take_page(["a"], ["a"], size, token)
    assert refused.value.http_code == 400
