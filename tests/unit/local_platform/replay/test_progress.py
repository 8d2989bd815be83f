"""How a replay tells how far it is, in a terminal and in a pipe."""

from io import StringIO

from rich.console import Console

from local_platform.replay.progress import ReplayProgress


class Clock:
    """A clock that goes on when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_pipe_gets_a_line_every_ten_seconds_and_an_estimate_after_three_days() -> None:
    pipe, clock = StringIO(), Clock()
    progress = ReplayProgress(Console(file=pipe, width=80), 60, clock)
    with progress.shown():
        clock.seconds = 10
        progress.tick()
        for day in range(1, 8):
            clock.seconds += 4
            progress.tick()
            progress.end_day(f"2011-02-0{day}", " 31.4", "v1 90% v2 10%")
    assert pipe.getvalue().splitlines() == [
        "60 days to replay. How long that takes is told after 3.",
        "0 of 60 days  0:00:10",
        "2011-02-02  2 of 60 days, error over 7 days 31.4  v1 90% v2 10%  0:00:22",
        "About 7 minutes for the 57 days to come, and longer while a version is trained and released.",
        "2011-02-05  5 of 60 days, error over 7 days 31.4  v1 90% v2 10%  0:00:34",
    ]


def test_the_last_day_is_always_told_and_a_few_days_need_no_estimate() -> None:
    pipe = StringIO()
    progress = ReplayProgress(Console(file=pipe, width=80), 1, Clock())
    with progress.shown():
        progress.end_day("2011-02-01", "0.333", "v1 100%")
    assert pipe.getvalue() == "1 day to replay.\n2011-02-01  1 of 1 day, error over 7 days 0.333  v1 100%  0:00:00\n"


def test_a_terminal_gets_the_live_line_and_no_plain_ones() -> None:
    terminal, clock = StringIO(), Clock()
    progress = ReplayProgress(Console(file=terminal, width=120, force_terminal=True, color_system=None), 60, clock)
    with progress.shown():
        for _ in range(4):
            clock.seconds += 20
            progress.end_day("2011-02-01", " 31.4", "v1 100%")
    assert "4/60 days   error over 7 days  31.4" in terminal.getvalue()
    assert "4 of 60 days" not in terminal.getvalue()
