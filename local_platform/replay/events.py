"""What a replay shows of a model's timeline: its events as lines, and its error."""

from datetime import datetime

from rich.markup import escape

MARKS = {
    "incident opened": ("yellow", "incident {} opened"),
    "candidate": ("cyan", "version {} deployed at 0 %"),
    "waits for approval": ("yellow", "version {} waits for a person"),
    "approval answered": ("cyan", "the question about version {} is answered"),
    "promoted": ("green", "version {} has all traffic"),
    "rolled back": ("red", "version {} rolled back"),
    "incident closed": ("dim", "incident {} closed"),
    "asked for": ("dim", "a retraining is asked for"),
    "alert": ("yellow", "alert {}"),
    "recalibrated": ("cyan", "calibration {}"),
    "calibration withdrawn": ("red", "calibration {} withdrawn"),
    "deployed again": ("dim", "deployed again, as calibration {}"),
    "hold": ("red", "held: a person must look"),
    "hold ended": ("green", "a hold has ended"),
    "reconciled": ("cyan", "what serves was set right"),
    "retired": ("dim", "retired with version {}"),
}
"""The colour and the words of each event of the timeline. `{}` stands for the number that it is about."""


def format_event(at: datetime, event: str, subject: int | None, detail: str | None) -> str:
    """An event of the timeline as one coloured line. Some events are about no number."""
    colour, text = MARKS[event]
    return f"{at:%Y-%m-%d %H:%M}  [{colour}]{text.format(subject)}[/{colour}]  {escape(detail or '')}"


def format_error(error: float | None) -> str:
    """An error in a width of five characters, with a decimal from 10 on and three below.

    >>> format_error(31.416), format_error(0.3333), format_error(None)
    (' 31.4', '0.333', '    -')
    """
    if error is None:
        return "    -"
    return f"{error:5.1f}" if abs(error) >= 10 else f"{error:5.3f}"
