"""What the demo prints."""

import re
from datetime import UTC, datetime

from cyclone.places import REPOSITORY
from local_platform.demo import format_event

MOMENT = datetime(2011, 2, 16, tzinfo=UTC)


def test_an_event_is_told_in_words() -> None:
    assert format_event(MOMENT, "promoted", 2, "bike-demand-v2") == (
        "2011-02-16 00:00  [green]version 2 has all traffic[/green]  bike-demand-v2"
    )


def test_every_event_of_the_timeline_can_be_told() -> None:
    view = (REPOSITORY / "sql" / "views" / "40_timeline.sql").read_text()
    events = re.findall(r"'([a-z ]+)' AS event", view)
    assert len(events) >= 8
    for event in events:
        assert format_event(MOMENT, event, 1, None)
