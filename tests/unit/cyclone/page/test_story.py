"""The chart of a model's error: where its lines, columns and bands lie."""

import re
from datetime import UTC, datetime
from typing import Any

from cyclone.page.period import read_period
from cyclone.page.story import build_story
from cyclone.times import DAY, HOUR

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
PERIOD = read_period("2026-11-01", "2026-11-10", "", SINCE)


def make_error(day: int, error: float, version: int = 1) -> dict[str, Any]:
    return {
        "version": version,
        "day": SINCE + day * DAY,
        "labelled": 24,
        "error": error,
        "accepted_error": 8.0,
        "error_limit": 12.0,
    }


def make_band(lane: str, first: float, last: float | None, **others: Any) -> dict[str, Any]:
    ended_at = None if last is None else SINCE + last * DAY
    told = {"name": "v1", "tone": "good", "words": "version 1", "incident_id": None, "run_id": None}
    return {"lane": lane, "started_at": SINCE + first * DAY, "ended_at": ended_at, **told, **others}


def test_the_error_is_drawn_in_the_middle_of_its_day_and_in_proportion() -> None:
    story = build_story(PERIOD, [make_error(0, 0.0), make_error(1, 6.0), make_error(2, 12.0)], [], [])
    (error,) = [line.path for line in story.lines if line.kind == "error"]
    assert error == "M5.00 100.00h.01L15.00 50.00L25.00 0.00"
    assert [mark.words for mark in story.numbers] == ["0", "3", "6", "9", "12"]


def test_days_without_a_label_interrupt_the_line_and_versions_have_lines_of_their_own() -> None:
    errors = [make_error(0, 6.0), make_error(5, 6.0), make_error(5, 3.0, version=2), make_error(6, 3.0, version=2)]
    lines = [line.path for line in build_story(PERIOD, errors, [], []).lines if line.kind == "error"]
    assert [len(re.findall("M", path)) for path in lines] == [2, 1]


def test_the_limit_reaches_from_the_first_day_to_the_last_of_its_version() -> None:
    story = build_story(PERIOD, [make_error(1, 6.0), make_error(2, 6.0)], [], [])
    assert [(line.kind, line.path) for line in story.lines][:2] == [
        ("limit", "M10.00 0.00L30.00 0.00"),
        ("accepted", "M10.00 33.33L30.00 33.33"),
    ]


def test_a_column_says_its_numbers() -> None:
    (column,) = build_story(PERIOD, [make_error(2, 10.26)], [], []).columns
    assert column.words == "2026-11-03: error 10.3 of version 1 on 24 labels"
    assert (column.left, round(column.width)) == (20.0, 10)


def test_a_band_is_cut_at_the_edges_and_an_open_one_reaches_the_end() -> None:
    bands = [make_band("version", -5, 4), make_band("version", 4, None)]
    first, second = build_story(PERIOD, [], [], bands).lanes["Versions"]
    assert (first.left, first.width) == (0.0, 40.0)
    assert (second.left, second.width) == (40.0, 60.0)


def test_a_short_band_can_be_hit_and_its_name_covers_no_other() -> None:
    bands = [
        make_band("incident", 1, 1 + HOUR / DAY, incident_id=4, name="4"),
        make_band("incident", 1.2, 1.3, incident_id=5, name="5"),
        make_band("incident", 9.99, None, incident_id=6, name="6"),
    ]
    found = build_story(PERIOD, [], [], bands).lanes["Incidents"]
    assert [band.place for band in found] == ["nowhere", "outside", "nowhere"]
    assert min(band.width for band in found) >= 0.5
    assert all(band.left + band.width <= 100 for band in found)


def test_a_band_leads_to_its_page_even_with_a_run_of_an_odd_name() -> None:
    bands = [
        make_band("incident", 1, 2, incident_id=4, run_id="retrain__demand__incident_4"),
        make_band("canary", 1, 2, run_id="manual__2026-11-30T08:26:46+00:00/ü"),
        make_band("hold", 1, 2),
    ]
    lanes = build_story(PERIOD, [], [], bands).lanes
    assert lanes["Incidents"][0].link == "incidents/4"
    assert lanes["Canaries"][0].link == "runs/manual__2026-11-30T08%3A26%3A46%2B00%3A00%2F%C3%BC"
    assert lanes["Holds"][0].link == ""


def test_nothing_is_an_empty_story() -> None:
    story = build_story(PERIOD, [], [], [])
    assert not story.rows
    assert not any(story.lanes.values())
    assert len(story.days) > 3
