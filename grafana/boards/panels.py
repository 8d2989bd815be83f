"""Panels. Each has a unit, a description, thresholds, a text where there is nothing, and links."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from grafana.boards.queries import SOURCE, Json

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on a colour counts. The first has no value."""

PLAIN: Steps = ((None, "blue"),)
"""Where no value is worse than another."""
PASSED, NO_DATA, FAILED = 0, 1, 2
"""Verdicts as numbers, for a panel whose cells are numbers."""
VERDICTS: Mapping[str, tuple[str, str]] = {
    str(PASSED): ("passed", "green"),
    str(NO_DATA): ("no_data", "text"),
    str(FAILED): ("failed", "red"),
}


@dataclass(frozen=True)
class Words:
    """What a panel says of itself: its title, what it shows, and what stands in it where there is nothing."""

    title: str
    description: str
    nothing: str


@dataclass(frozen=True)
class Appearance:
    """How the values of a panel are shown. `links` has the title and the address of each link of a value."""

    unit: str = "none"
    steps: Steps = PLAIN
    links: Mapping[str, str] = field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    mappings: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def show_series(
    number: int,
    words: Words,
    targets: Sequence[Json],
    look: Appearance,
    overrides: Sequence[Json] = (),
    draw: Literal["line", "bars"] = "line",
    is_stacked: bool = False,
) -> Json:
    """Lines or bars over time."""
    custom: Json = {
        "drawStyle": draw,
        "lineWidth": 2 if draw == "line" else 1,
        "fillOpacity": 0 if draw == "line" else 70,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if is_stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if look.steps == PLAIN else "line"},
    }
    options: Json = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _build(number, "timeseries", words, targets, look, custom, options, overrides)


def show_table(number: int, words: Words, target: Json, look: Appearance, overrides: Sequence[Json] = ()) -> Json:
    """Rows as they come."""
    custom: Json = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": True, "filterable": True}
    options: Json = {"showHeader": True, "frameIndex": 0, "cellHeight": "sm"}
    return _build(number, "table", words, [target], look, custom, options, overrides)


def show_number(number: int, words: Words, target: Json, look: Appearance) -> Json:
    """One number, coloured by its thresholds."""
    options: Json = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    return _build(number, "stat", words, [target], look, None, options, ())


def show_history(number: int, words: Words, target: Json, look: Appearance) -> Json:
    """A cell for each series and day, coloured by its value."""
    options: Json = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
        "rowHeight": 0.9,
        "showValue": "never",
    }
    return _build(number, "status-history", words, [target], look, {"fillOpacity": 80, "lineWidth": 1}, options, ())


def show_bars(number: int, words: Words, target: Json, look: Appearance, overrides: Sequence[Json] = ()) -> Json:
    """A group of bars for each row, named by its first column."""
    options: Json = {
        "barWidth": 0.9,
        "groupWidth": 0.7,
        "fullHighlight": False,
        "orientation": "auto",
        "showValue": "never",
        "stacking": "none",
        "xTickLabelRotation": 0,
        "xTickLabelMaxLength": 24,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    return _build(number, "barchart", words, [target], look, {"fillOpacity": 80, "lineWidth": 1}, options, overrides)


def override(name: str, look: Appearance, **custom: object) -> Json:
    """Another look for the column or series of a name. `custom` is what only its kind of panel knows."""
    properties: list[Json] = [{"id": key, "value": value} for key, value in _describe(look).items()]
    properties += [{"id": f"custom.{key}", "value": value} for key, value in custom.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def round_off(decimals: int, *names: str) -> list[Json]:
    """So many decimals for these columns. Versions and counts of the same table stay whole numbers."""
    return [override(name, Appearance(decimals=decimals)) for name in names]


def hide(*names: str) -> list[Json]:
    """Columns that links need and nobody has to see. Grafana hides them from version 12.2 on."""
    hidden = {"legend": False, "tooltip": False, "viz": True}
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "custom.hideFrom", "value": hidden}],
        }
        for name in names
    ]


def _describe(look: Appearance) -> Json:
    """A look as Grafana has it, without what was left open."""
    found: Json = {
        "unit": look.unit,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in look.steps],
        },
    }
    if look.links:
        found["links"] = [
            {"title": title, "url": url, "targetBlank": not url.startswith("/")} for title, url in look.links.items()
        ]
    if look.mappings:
        results = {
            value: {"text": text, "color": colour, "index": place}
            for place, (value, (text, colour)) in enumerate(look.mappings.items())
        }
        found["mappings"] = [{"type": "value", "options": results}]
    bounds = {"min": look.minimum, "max": look.maximum, "decimals": look.decimals}
    return found | {key: value for key, value in bounds.items() if value is not None}


def _build(
    number: int,
    kind: str,
    words: Words,
    targets: Sequence[Json],
    look: Appearance,
    custom: Json | None,
    options: Json,
    overrides: Sequence[Json],
) -> Json:
    is_coloured = kind in ("stat", "status-history", "table")
    defaults = _describe(look) | {
        "noValue": words.nothing,
        "color": {"mode": "thresholds" if is_coloured else "palette-classic"},
    }
    if custom is not None:
        defaults["custom"] = custom
    return {
        "id": number,
        "type": kind,
        "title": words.title,
        "description": words.description,
        "datasource": SOURCE,
        "targets": list(targets),
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
    }
