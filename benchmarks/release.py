"""`make bench-release`: a cold start, a layer beside a rebuild, the canary, load through releases, alarm to answer.

Each part runs in a process of its own, because BentoML knows one store a process. A part prints its table and ends with
its figures. The last line here has the figures of all.
"""

from typing import Any

from benchmarks import release_canary, release_layer, release_loop, release_traffic
from benchmarks.cold_start import measure
from benchmarks.figures import print_figures, read_small
from benchmarks.parts import run_part

PARTS = {
    "cold_start.measure": measure.KEYS,
    "release_layer": release_layer.KEYS,
    "release_canary": release_canary.KEYS,
    "release_traffic": release_traffic.KEYS,
    "release_loop": release_loop.KEYS,
}
"""The parts, each with the keys of its figures."""


def main() -> None:
    """Run every part with its table, then print one line of JSON."""
    is_small = read_small(__doc__)
    figures: dict[str, Any] = {}
    for part in PARTS:
        figures |= run_part(part, ["--small"] if is_small else [])
    print_figures(figures, [key for keys in PARTS.values() for key in keys], is_small=is_small)


if __name__ == "__main__":
    main()
