"""The HTML of the page. Everything that is filled in is escaped."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cyclone.wording import count_of, format_number, format_percent

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
"""The folder of the style sheet, the script and the icon."""
NOTHING = "\N{EN DASH}"
"""What stands where there is no number."""
MINUTE, HOUR, DAY = 60, 3600, 86400
HEADERS: Mapping[str, str] = {
    # Airflow shows the page in a frame of its own. A chart places its parts by inline styles.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""The headers of each answer. What the page loads comes from its own server, and a shared screen keeps nothing."""


def render(template: str, **values: Any) -> str:
    """The HTML of a view, from `templates/<template>.html`."""
    return _build_environment().get_template(f"{template}.html").render(**values)


@cache
def _build_environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["version"] = _find_version()
    made.filters |= {
        "moment": format_moment,
        "number": format_number,
        "percent": format_share,
        "seconds": format_seconds,
        "part": quote_part,
        "words": lambda name: str(name).replace("_", " "),
        "count_of": count_of,
        "coded": mark_code,
    }
    return made


def _find_version() -> str:
    """A text that changes with the style sheet and the script, so that no browser shows an old one."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))
    return hashlib.sha256(content).hexdigest()[:8]


def format_moment(moment: datetime | None, nothing: str = NOTHING) -> "Markup | str":
    """A moment as text in UTC. The page's script puts the local time with its zone in its place."""
    from markupsafe import Markup

    if moment is None:
        return nothing
    at = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%d %H:%M}")


def mark_code(words: str) -> "Markup":
    """A text in which what stands between backticks is set as code.

    >>> str(mark_code("run `cyclone models` & wait"))
    'run <code>cyclone models</code> &amp; wait'
    """
    from markupsafe import Markup, escape

    parts = words.split("`")
    is_paired = len(parts) % 2 == 1
    marked = [Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)]
    return Markup("").join(marked) if is_paired else escape(words)


def format_share(share: float | None) -> str:
    """A share in percent, with a decimal where it is close to none or all.

    >>> format_share(0.9707), format_share(0.5), format_share(0.0004), format_share(None)
    ('97.1 %', '50 %', '0.04 %', 'unknown')
    """
    if share is None:
        return "unknown"
    if share in (0, 1) or 0.1 <= share <= 0.9:
        return format_percent(share)
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.1f} %"


def format_seconds(seconds: float | None) -> str:
    """A length of time in the unit that fits it.

    >>> format_seconds(4.21), format_seconds(600), format_seconds(9000), format_seconds(200000)
    ('4.2 s', '10 min', '2.5 h', '2.3 days')
    """
    if seconds is None:
        return NOTHING
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < DAY else f"{seconds / DAY:.1f} days"


def quote_part(text: object) -> str:
    """A text as one part of an address."""
    return quote(str(text), safe="")
