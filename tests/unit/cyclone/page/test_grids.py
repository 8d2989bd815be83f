"""The grid of verdicts, the bars of the log, and what an action offers."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from cyclone.page.doing import offer_actions
from cyclone.page.incident import find_interval
from cyclone.page.log import COUNTS, build_bars, sum_days
from cyclone.page.period import read_period
from cyclone.page.verdicts import MOST_DAYS, Choice, build_grid, read_choice, shorten
from cyclone.times import DAY, HOUR

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
PERIOD = read_period("2026-11-01", "2026-11-03", "", SINCE)


def make_verdict(day: int, verdict: str, subject: str = "wind") -> dict[str, Any]:
    return {
        "kind": "drift",
        "check_name": "wasserstein",
        "subject": subject,
        "day": SINCE + day * DAY,
        "window_end": SINCE + (day + 1) * DAY,
        "verdict": verdict,
        "version": 1,
    }


def test_a_grid_has_a_cell_for_each_day_and_gaps_where_nothing_was_judged() -> None:
    rows = [make_verdict(0, "failed"), make_verdict(2, "no_data"), make_verdict(1, "passed", subject="&=?")]
    wind, odd = build_grid(PERIOD, rows, None)
    assert [cell and cell.sign for cell in wind.cells] == ["✕", None, "?"]
    assert (wind.failed, wind.newest and wind.newest.verdict) == (1, "no_data")
    assert [cell and cell.sign for cell in odd.cells] == [None, "✓", None]


def test_a_cell_leads_back_to_itself() -> None:
    (row,) = build_grid(PERIOD, [make_verdict(0, "failed", subject="a&b=c?")], None)
    cell = row.cells[0]
    assert cell is not None
    chosen = read_choice(dict(parse_qsl(cell.query)))
    assert chosen == Choice("drift", "wasserstein", "a&b=c?", SINCE + DAY)
    (again,) = build_grid(PERIOD, [make_verdict(0, "failed", subject="a&b=c?")], chosen)
    assert again.cells[0] is not None
    assert again.cells[0].is_chosen


def test_a_long_period_is_cut_to_what_a_grid_can_show() -> None:
    year = read_period("", "", "365", SINCE)
    short = shorten(year)
    assert (short.length, short.until, short.days) == (MOST_DAYS * DAY, year.until, MOST_DAYS)
    assert shorten(PERIOD) == PERIOD


def count(hour: int, **counts: int) -> dict[str, Any]:
    return {"start": SINCE + hour * HOUR, **dict.fromkeys(COUNTS, 0), **counts}


def test_bars_are_in_proportion_to_the_fullest_hour_and_say_what_is_lost() -> None:
    hours = [count(0, expected=10, stored=9, dropped=1), count(1, expected=20, stored=15, repeated=1, pending=4)]
    first, second = build_bars(PERIOD, hours, HOUR)
    assert (first.kept, first.lost, first.waits) == (45, 5, 0)
    assert (second.kept, second.lost, second.waits) == (80, 0, 20)
    assert first.words == "2026-11-01 00:00 UTC: 9 of 10 answered rows in the log, 90 %"


def test_hours_are_summed_by_day_of_utc() -> None:
    days = sum_days([count(22, expected=1), count(23, expected=2), count(24, expected=4)])
    assert [(day["start"], day["expected"]) for day in days] == [(SINCE, 3), (SINCE + DAY, 4)]


def test_an_hour_without_rows_divides_by_nothing() -> None:
    (bar,) = build_bars(PERIOD, [count(0)], HOUR)
    assert (bar.kept, bar.words[-4:]) == (0, "none")


def test_an_interval_on_its_limit_divides_by_nothing() -> None:
    assert find_interval(1.0, 1.0, 1.0) is not None
    assert find_interval(None, 1.0, 1.0) is None


def test_only_what_makes_sense_now_is_offered() -> None:
    def offer(version: int | None, led: int | None, *, is_held: bool, state: str = "canary") -> list[str]:
        under_way = {"version": led, "state": state if led else None}
        return [action.name for action in offer_actions({"version": version}, under_way, is_held)]

    assert offer(None, None, is_held=False) == ["retrain"]
    assert offer(1, None, is_held=True) == ["resume", "roll-back", "retrain", "recalibrate"]
    assert offer(1, 2, is_held=False) == ["promote", "roll-back", "retrain"]
    assert offer(1, 2, is_held=False, state="candidate") == ["roll-back", "retrain"], "it is not rehearsed yet"
