"""`make bench-release`: a layer beside a rebuild, the canary's judgement, load through releases, alarm to answer.

Each part runs in a process of its own, as BentoML knows one store a process, prints its table, and ends with its
figures; the last line here is all of them.
"""

import json
import subprocess
import sys

PARTS = ("release_layer", "release_canary", "release_traffic", "release_loop")


def main() -> None:
    """Every part with its table, then one line of JSON."""
    figures: dict[str, float] = {}
    for part in PARTS:
        figures |= run_part(part)
    print(json.dumps(figures))


def run_part(name: str) -> dict[str, float]:
    """Show what a part prints, but for its last line: its figures."""
    last = ""
    with subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True) as part:
        for line in part.stdout or ():
            print(last, end="", flush=True)
            last = line
    if part.returncode:
        sys.exit(f"{last}benchmarks.{name} ended with {part.returncode}")
    figures: dict[str, float] = json.loads(last)
    return figures


if __name__ == "__main__":
    main()
