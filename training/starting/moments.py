"""Times in texts: which format a column has, and the moments that it names."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cyclone.errors import DataError
from training.starting.numbers import is_number

DAYS = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%d.%m.%y", "%m/%d/%y"),
    *("%d/%m/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%Y-%m"),
    *("%b %Y", "%Y %b"),
)
"""How a day may be written beside ISO 8601."""
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
FORMATS = tuple(day + clock for day in DAYS for clock in CLOCKS)
TRIED = 40
"""So many texts are tried with every format first. Those that fail are not tried with all texts."""
UNITS = ((1e8, 1e11, 1.0), (1e11, 1e14, 1e3), (1e14, 1e17, 1e6), (1e17, 1e20, 1e9))
"""Numbers of seconds and parts of them since 1970, each with its bounds."""
ISO = "ISO 8601"
YEARS = (1000, 3000)


@dataclass(frozen=True)
class Moments:
    """The time that each text names, as its clock showed it, and how texts are written.

    `zoned` tells whether they have a zone. `offsets` are the differences to UTC then.
    """

    times: dict[str, datetime]
    format: str
    zoned: bool = False

    def in_utc(self, text: str) -> datetime:
        """The moment in UTC. A time without a zone is taken for UTC."""
        time = self.times[text]
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def is_time(text: str) -> bool:
    """Whether a text is a time of any format. A number is none by itself."""
    return not is_number(text) and find_moments([text], refuse_ambiguous=False) is not None


def find_moments(texts: Iterable[str], *, refuse_ambiguous: bool = True) -> Moments | None:
    """The times of texts that are no numbers. None if no format fits all of them.

    Errors: `DataError` when days and months cannot be told apart.
    """
    texts = list(dict.fromkeys(texts))
    if not texts or is_number(texts[0]):
        return None
    try:
        times = {text: datetime.fromisoformat(text.strip()) for text in texts}
        return Moments(times, ISO, any(time.tzinfo for time in times.values()))
    except ValueError:
        pass
    few = texts[:: max(1, len(texts) // TRIED)]
    fitting = [(name, times) for name in FORMATS if _parse(name, few) and (times := _parse(name, texts))]
    if not fitting:
        return None
    if len(fitting) > 1 and refuse_ambiguous:
        names = " and as ".join(name for name, _ in fitting[:2])
        shown = ", ".join(repr(text) for text in texts[:3])
        raise DataError(f"its times can be read as {names}: {shown}. Write them as 2011-01-31 or 2011-01-31T23:00:00Z")
    return Moments(fitting[0][1], fitting[0][0])


def count_formats(texts: Iterable[str]) -> int:
    """How many formats it takes for all of these texts. 0 when one of them is no time."""
    found = set()
    for text in texts:
        moments = None if is_number(text) else find_moments([text], refuse_ambiguous=False)
        if moments is None:
            return 0
        found.add(moments.format)
    return len(found)


def read_numbers(texts: Iterable[str]) -> Moments | None:
    """Times that are written as numbers: years, days such as 20110131, or seconds and parts of them since 1970.

    None if they are none of these.
    """
    texts = list(dict.fromkeys(texts))
    if not all(is_number(text) for text in texts):
        return None
    values = {text: float(text) for text in texts}
    low, high = min(values.values()), max(values.values())
    if YEARS[0] <= low and high < YEARS[1]:
        return Moments({text: _read_year(value) for text, value in values.items()}, "a year")
    days = _parse("%Y%m%d", [text.strip() for text in texts])
    if days and len(texts[0].strip()) == 8:
        return Moments({text: days[text.strip()] for text in texts}, "%Y%m%d")
    for least, most, unit in UNITS:
        if least <= low and high < most:
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            times = {text: epoch + timedelta(seconds=value / unit) for text, value in values.items()}
            return Moments(times, f"{unit:g} a second since 1970", zoned=True)
    return None


def _read_year(value: float) -> datetime:
    year = int(value)
    start = datetime(year, 1, 1)
    length = datetime(year + 1, 1, 1) - start
    # A twelfth of a year is written with two to four digits, so the day is right and the second is not.
    return (start + (value - year) * length + timedelta(hours=12)).replace(hour=0, minute=0, second=0, microsecond=0)


def _parse(name: str, texts: list[str]) -> dict[str, datetime]:
    try:
        return {text: datetime.strptime(text.strip(), name) for text in texts}
    except ValueError:
        return {}
