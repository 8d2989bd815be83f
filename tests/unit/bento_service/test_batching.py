import asyncio
from typing import Any

import pytest

from bento_service.batching import Batcher, Rows


def ask(batcher: Batcher, *requests: Rows) -> list[Any]:
    """The answers, or errors, of requests that arrive together."""

    async def gather() -> list[Any]:
        return await asyncio.gather(*(batcher.predict(rows) for rows in requests), return_exceptions=True)

    return asyncio.run(gather())


def test_requests_that_arrive_together_are_one_call_and_each_gets_its_own_rows() -> None:
    calls = []

    def double(rows: Rows) -> list[Any]:
        calls.append(len(rows))
        return [2.0 * row["x"] for row in rows]

    assert ask(Batcher(double), [{"x": 1}], [{"x": 2}, {"x": 3}], [{"x": 4}]) == [[2.0], [4.0, 6.0], [8.0]]
    assert calls == [4]


def test_requests_that_come_one_after_the_other_wait_for_nobody() -> None:
    calls = []

    def count(rows: Rows) -> list[Any]:
        calls.append(len(rows))
        return [0.0 for _ in rows]

    async def one_by_one() -> None:
        batcher = Batcher(count)
        for _ in range(3):
            await batcher.predict([{"x": 1}])

    asyncio.run(one_by_one())
    assert calls == [1, 1, 1]


def test_rows_that_fail_the_model_fail_their_own_request_only() -> None:
    def invert(rows: Rows) -> list[Any]:
        return [1 / row["x"] for row in rows]

    first, second, third = ask(Batcher(invert), [{"x": 2}], [{"x": 0}], [{"x": 4}])
    assert (first, third) == ([0.5], [0.25])
    assert isinstance(second, ZeroDivisionError)


def test_a_client_that_left_takes_no_answer_from_its_neighbours() -> None:
    async def leave_early() -> list[Any]:
        batcher = Batcher(lambda rows: [row["x"] for row in rows])
        gone = asyncio.ensure_future(batcher.predict([{"x": 1}]))
        stays = asyncio.ensure_future(batcher.predict([{"x": 2}]))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(leave_early()) == [2]
