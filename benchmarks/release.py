"""`make bench-release`: the canary's judgement, traffic through releases, and the loop from alarm to answer."""

import json
from collections.abc import Callable

from benchmarks.release_canary import measure_shares
from benchmarks.release_loop import measure_loop
from benchmarks.release_traffic import measure_traffic

PARTS: tuple[Callable[[], dict[str, float]], ...] = (measure_shares, measure_traffic, measure_loop)


def main() -> None:
    """Every part with its table, then one line of JSON."""
    figures: dict[str, float] = {}
    for part in PARTS:
        figures |= part()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
