"""What a replay prints of the timeline."""

import re
from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from cyclone.places import REPOSITORY
from local_platform.replay.events import format_event

MOMENT = datetime(2011, 2, 16, tzinfo=UTC)


def test_an_event_is_told_in_words() -> None:
    assert format_event(MOMENT, "promoted", 2, "bike-demand-v2") == (
        "2011-02-16 00:00  [green]version 2 has all traffic[/green]  bike-demand-v2"
    )


def test_the_words_of_a_person_are_no_markup() -> None:
    console = Console(file=StringIO(), width=200)
    console.print(format_event(MOMENT, "hold", None, "by ada: see [/notes]"))
    assert console.file.getvalue() == "2011-02-16 00:00  held: a person must look  by ada: see [/notes]\n"  # type: ignore[attr-defined]


def test_every_event_of_the_timeline_can_be_told() -> None:
    view = (REPOSITORY / "sql" / "views" / "40_timeline.sql").read_text()
    lines = re.findall(r"^.* AS event", view, re.MULTILINE)
    events = [event for line in lines for event in re.findall(r"'([a-z ]+)'", line)]
    told = {event: format_event(MOMENT, event, 1, None).removeprefix("2011-02-16 00:00  ").strip() for event in events}
    assert told == {
        "incident opened": "[yellow]incident 1 opened[/yellow]",
        "incident closed": "[dim]incident 1 closed[/dim]",
        "candidate": "[cyan]version 1 deployed at 0 %[/cyan]",
        "promoted": "[green]version 1 has all traffic[/green]",
        "rolled back": "[red]version 1 rolled back[/red]",
        "waits for approval": "[yellow]version 1 waits for a person[/yellow]",
        "approval answered": "[cyan]the question about version 1 is answered[/cyan]",
        "asked for": "[dim]a retraining is asked for[/dim]",
        "alert": "[yellow]alert 1[/yellow]",
        "hold": "[red]held: a person must look[/red]",
        "hold ended": "[green]a hold has ended[/green]",
        "reconciled": "[cyan]what serves was set right[/cyan]",
        "retired": "[dim]retired with version 1[/dim]",
        "recalibrated": "[cyan]calibration 1[/cyan]",
        "deployed again": "[dim]deployed again, as calibration 1[/dim]",
        "calibration withdrawn": "[red]calibration 1 withdrawn[/red]",
    }
