"""Every question of the committed files: of panels, variables, annotations and alert rules."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).resolve().parent.parent
Form = Literal["table", "time_series", "variable", "annotation", "rule"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One question, and where it stands, such as `fleet, panel 5 (Models), A`."""

    place: str
    board: str
    form: Form
    sql: str


def read_boards() -> dict[str, Json]:
    """The committed boards, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "dashboards").glob("*.json"))}


def read_alerting() -> dict[str, Json]:
    """The committed files of alert rules, contact points and templates, by name."""
    folder = FOLDER / "provisioning" / "alerting"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def list_questions() -> list[Question]:
    """Every question, those of boards first."""
    boards = [question for name, board in read_boards().items() for question in list_board(name, board)]
    return boards + [question for content in read_alerting().values() for question in list_rules(content)]


def list_board(name: str, board: Json) -> Iterator[Question]:
    """The questions of one board."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            place = f"{name}, panel {panel['id']} ({panel['title']}), {target['refId']}"
            yield Question(place, name, target["format"], target["rawSql"])
    for variable in board["templating"]["list"]:
        yield Question(f"{name}, variable {variable['name']}", name, "variable", variable["query"])
    for layer in board["annotations"]["list"]:
        yield Question(f"{name}, annotation {layer['name']}", name, "annotation", layer["target"]["rawSql"])


def list_rules(content: Json) -> Iterator[Question]:
    """The questions of alert rules. Those for `__expr__` are no SQL."""
    for group in content.get("groups", ()):
        for rule in group["rules"]:
            for data in rule["data"]:
                if data["datasourceUid"] != "__expr__":
                    yield Question(f"rule {rule['uid']}, {data['refId']}", "", "rule", data["model"]["rawSql"])
