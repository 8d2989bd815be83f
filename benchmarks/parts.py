"""The parts of a benchmark, each in a process of its own. Each can be started alone as well."""

import json
import subprocess
import sys
from typing import Any


def run_part(name: str, options: list[str]) -> dict[str, Any]:
    """Run a part and print what it prints, except its last line, the figures, which are returned.

    If the part fails, this program ends too.
    """
    last = ""
    command = [sys.executable, "-m", f"benchmarks.{name}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as part:
        for line in part.stdout or ():
            print(last, end="", flush=True)
            last = line
    if part.returncode:
        sys.exit(f"{last}benchmarks.{name} ended with {part.returncode}")
    figures: dict[str, Any] = json.loads(last)
    return figures
