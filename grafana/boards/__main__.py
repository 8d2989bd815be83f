"""Writes `grafana/dashboards/` and `grafana/provisioning/alerting/`, or with --check says what differs from the code.

Run as `python -m grafana.boards`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from grafana.boards import alerts, fleet, log, loop, model, release
from grafana.boards.board import Board, build
from grafana.boards.queries import Json

FOLDER = Path(__file__).resolve().parent.parent
BUILDERS: tuple[Callable[[], Board], ...] = (
    fleet.build_board,
    model.build_board,
    release.build_board,
    loop.build_board,
    log.build_board,
)


def list_files() -> dict[Path, str]:
    """The text of each file that the code makes."""
    found: dict[str, Json] = {}
    for build_board in BUILDERS:
        board = build_board()
        found[f"dashboards/{board.name}.json"] = build(board)
    alerting = "provisioning/alerting/cyclone"
    # Files are read in the order of their names, and rules name the contact point.
    found[f"{alerting}-1-templates.json"] = alerts.build_templates()
    found[f"{alerting}-2-contact-point.json"] = alerts.build_contact_points()
    found[f"{alerting}-3-rules.json"] = alerts.build_rules()
    return {FOLDER / name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in found.items()}


def find_differences() -> list[str]:
    """What is wrong with the files, one sentence each: missing, changed by hand, or of no code."""
    files = list_files()
    faults = [f"{path} is not what the code makes" for path, text in files.items() if not holds(path, text)]
    present = {path for folder in {path.parent for path in files} for path in folder.glob("*.json")}
    return faults + [f"{path} is made by no code" for path in sorted(present - files.keys())]


def holds(path: Path, text: str) -> bool:
    """Whether a file is there with this text."""
    return path.is_file() and path.read_text() == text


def main() -> None:
    """Write the files, or check them."""
    if sys.argv[1:] == ["--check"]:
        faults = find_differences()
        sys.exit("\n".join([*faults, "Run `make dashboards`"]) if faults else 0)
    for path, text in list_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
