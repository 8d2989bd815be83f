"""`make bench-release`: a layer beside a rebuild, the canary's judgement, load through releases, alarm to answer.

Each part runs in a process of its own, as BentoML knows one store a process, prints its table, and ends with its
figures; the last line here is all of them.
"""

import json
import subprocess
import sys

from benchmarks import release_canary, release_layer, release_loop, release_traffic
from benchmarks.figures import print_figures, read_small

PARTS = {
    "release_layer": release_layer.KEYS,
    "release_canary": release_canary.KEYS,
    "release_traffic": release_traffic.KEYS,
    "release_loop": release_loop.KEYS,
}


def main() -> None:
    """Every part with its table, then one line of JSON."""
    is_small = read_small(__doc__)
    figures: dict[str, float] = {}
    for part in PARTS:
        figures |= run_part(part, ["--small"] if is_small else [])
    print_figures(figures, [key for keys in PARTS.values() for key in keys], is_small=is_small)


def run_part(name: str, options: list[str]) -> dict[str, float]:
    """Show what a part prints, but for its last line: its figures."""
    last = ""
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as part:
        for line in part.stdout or ():
            print(last, end="", flush=True)
            last = line
    if part.returncode:
        sys.exit(f"{last}benchmarks.{name} ended with {part.returncode}")
    figures: dict[str, float] = json.loads(last)
    return figures


if __name__ == "__main__":
    main()
