"""The option for a benchmark's small size, and the line of JSON that a benchmark ends with.

A small run takes the code path of a full one with fewer rounds, rows, worlds or days, so that CI can run it. Its
figures mean nothing, and its last line says so.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cyclone.errors import PlatformError


def read_small(description: str | None) -> bool:
    """Whether `--small` was given, for a benchmark that has no other option."""
    parser = argparse.ArgumentParser(description=description)
    add_small(parser)
    return bool(parser.parse_args().small)


def add_small(parser: argparse.ArgumentParser) -> None:
    """Add the option `--small`."""
    parser.add_argument("--small", action="store_true", help="run for a minute or so, to see that it runs")


def print_figures(figures: Mapping[str, Any], keys: Iterable[str] | None = None, *, is_small: bool) -> None:
    """Print the figures under `keys`, or all of them, as one line of JSON. Errors: `KeyError` where one is missing."""
    chosen = {key: figures[key] for key in (figures if keys is None else keys)}
    print(json.dumps(chosen | ({"small": True} if is_small else {})))


def run_part_alone(
    name: str, description: str | None, keys: Iterable[str], measure: Callable[[bool], Mapping[str, Any]]
) -> int:
    """Measure a part of a benchmark, in its small size or not, and print its figures. Return the exit code."""
    is_small = read_small(description)
    try:
        figures = measure(is_small)
    except PlatformError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    print_figures(figures, keys, is_small=is_small)
    return 0
