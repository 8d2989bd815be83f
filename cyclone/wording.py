"""Numbers, lists and texts of other people in sentences."""

from collections.abc import Iterable

from cyclone.errors import ConfigurationError

REASON_CHARACTERS = 1000
"""The most characters of a reason. Pages, messages and the time line show it whole, and nobody reads more of it."""
SHOWN_CHARACTERS = 100
"""The most characters that an error shows of a value."""


def read_reason(text: str) -> str:
    """A person's reason in one line, as it is kept. A line break or an invisible character becomes a blank.

    Errors: `ConfigurationError` for more than `REASON_CHARACTERS`.

    >>> read_reason("prices\\nchanged ")
    'prices changed'
    """
    if len(text) > REASON_CHARACTERS:
        raise ConfigurationError(
            f"the reason has {len(text):,} characters, and at most {REASON_CHARACTERS:,} are kept. Shorten it"
        )
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def show_marks(text: str) -> str:
    """A text whose invisible characters are written out. A terminal would obey some of them.

    >>> show_marks("a" + chr(27) + "[31m")
    'a\\\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def cut(text: str) -> str:
    """The beginning of a text, with a mark where it was cut."""
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def format_number(value: float | None) -> str:
    """A number with three significant digits, or without decimals from 1000 on.

    >>> format_number(61.23), format_number(0.20049), format_number(12345.6)
    ('61.2', '0.2', '12,346')
    """
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def format_percent(share: float) -> str:
    """A share in whole percent.

    >>> format_percent(0.025), format_percent(0.5)
    ('2 %', '50 %')
    """
    return f"{100 * share:.0f} %"


def count_of(number: int, noun: str) -> str:
    """A number with the noun that it counts.

    >>> count_of(1, "day"), count_of(3, "day")
    ('1 day', '3 days')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def join_clauses(clauses: Iterable[str]) -> str:
    """Clauses as one sentence.

    >>> join_clauses(["wind is missing in 24 of 24 rows", "labels stopped"])
    'wind is missing in 24 of 24 rows, and labels stopped'
    """
    return ", and ".join(clauses)


def capitalise(words: str) -> str:
    """Words that begin with a capital letter.

    >>> capitalise("labels stopped")
    'Labels stopped'
    """
    return words[:1].upper() + words[1:]


def finish_sentence(words: str) -> str:
    """Words with a full stop, unless they end with one or with another mark.

    >>> finish_sentence("labels stopped"), finish_sentence("is it fine?")
    ('labels stopped.', 'is it fine?')
    """
    return words if words.endswith((".", "!", "?")) else f"{words}."


def join_sentences(sentences: Iterable[str]) -> str:
    """Sentences one after the other. The first is left as it is, for it may stand behind a colon.

    >>> join_sentences(["the last 2 failed", "the budget is spent"])
    'the last 2 failed. The budget is spent'
    """
    first, *others = sentences
    return ". ".join([first, *map(capitalise, others)])
