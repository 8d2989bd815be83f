"""The progress of a replay: a live line in a terminal. Elsewhere it is a plain line every ten seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cyclone.wording import count_of

LINE_SECONDS = 10.0
"""The least seconds between two plain lines. A log stays short, and nobody takes it for stuck. A choice."""
ESTIMATE_DAYS = 3
"""The days after which the time of all of them is estimated. The first one is slower than the next. A choice."""


class ReplayProgress:
    """How far a replay has come. `clock` gives seconds, and is another one in tests."""

    def __init__(self, console: Console, days: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self.days, self._clock = console, days, clock
        self._began = self._told_at = clock()
        self.done = 0
        self._told = f"0 of {count_of(days, 'day')}"
        self._live = build_live_line(console)
        self._task = self._live.add_task("", total=days, day="", error="", split="")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress as long as the block lasts."""
        said = f"{count_of(self.days, 'day')} to replay."
        if self.days > ESTIMATE_DAYS:
            said += f" How long that takes is told after {ESTIMATE_DAYS}."
        self._console.print(said, style="dim", highlight=False)
        if not self._console.is_terminal:
            yield
            return
        with self._live:
            yield

    def end_day(self, day: str, error: str, split: str) -> None:
        """Take note that a day has been replayed. More days than were foreseen are counted too."""
        self.done += 1
        self.days = max(self.days, self.done)
        self._told = f"{day}  {self.done} of {count_of(self.days, 'day')}, error over 7 days {error.strip()}  {split}"
        self._live.update(self._task, completed=self.done, total=self.days, day=day, error=error, split=split)
        if self.done == ESTIMATE_DAYS < self.days:
            self._tell_estimate()
        if self.done == self.days:
            self._tell_line()
        self.tick()

    def tick(self) -> None:
        """Print a plain line when it is time for one, and no terminal shows the live one."""
        if self._clock() - self._told_at >= LINE_SECONDS:
            self._tell_line()

    def _tell_line(self) -> None:
        self._told_at = self._clock()
        if self._console.is_terminal:
            return
        elapsed = timedelta(seconds=round(self._clock() - self._began))
        self._console.print(f"{self._told}  {elapsed}", style="dim", highlight=False, soft_wrap=True)

    def _tell_estimate(self) -> None:
        a_day = (self._clock() - self._began) / self.done
        left = round_seconds(a_day * (self.days - self.done))
        self._console.print(
            f"About {left} for the {count_of(self.days - self.done, 'day')} to come, and longer while a version is"
            " trained and released.",
            style="dim",
            highlight=False,
            soft_wrap=True,
        )


def build_live_line(console: Console) -> Progress:
    """The line that shows the replayed day, the error of the last seven days, and the traffic of each version."""
    return Progress(
        TextColumn("[bold]{task.fields[day]}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("days   error over 7 days [bold]{task.fields[error]}[/bold]   {task.fields[split]}"),
        TimeElapsedColumn(),
        console=console,
    )


def round_seconds(seconds: float) -> str:
    """Seconds in the words of an estimate.

    >>> round_seconds(42), round_seconds(89), round_seconds(600), round_seconds(5400)
    ('42 seconds', '89 seconds', '10 minutes', '90 minutes')
    """
    return count_of(round(seconds), "second") if seconds < 90 else count_of(round(seconds / 60), "minute")
