"""The committed files are what the code makes, and every panel says what it is."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import grafana.boards.__main__ as writer
from grafana.trial.questions import read_boards

REPOSITORY = Path(__file__).resolve().parents[3]
BOARDS = read_boards()
ROWS = {panel["title"] for board in BOARDS.values() for panel in board["panels"] if panel["type"] == "row"}
PANELS = [
    pytest.param(panel, id=f"{name}-{panel['id']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]


def test_files_and_code_agree() -> None:
    assert writer.find_differences() == []


def test_a_file_that_was_changed_added_or_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FOLDER", tmp_path)
    writer.main()
    assert writer.find_differences() == []
    fleet = tmp_path / "dashboards" / "fleet.json"
    fleet.write_text(fleet.read_text().replace("Models", "All models"))
    (tmp_path / "dashboards" / "mine.json").write_text("{}")
    assert writer.find_differences() == [
        f"{fleet} is not what the code makes",
        f"{tmp_path / 'dashboards' / 'mine.json'} is made by no code",
    ]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_a_unit_a_description_thresholds_links_and_words_for_nothing(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    links = [
        *defaults.get("links", ()),
        *(
            item
            for override in panel["fieldConfig"]["overrides"]
            for change in override["properties"]
            if change["id"] == "links"
            for item in change["value"]
        ),
    ]
    assert all((panel["description"], defaults["unit"], defaults["thresholds"]["steps"], defaults["noValue"], links))


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_has_all_variables_and_links_to_the_others_that_keep_time_and_variables(name: str) -> None:
    board = BOARDS[name]
    assert [item["name"] for item in board["templating"]["list"]] == ["model", "version", "feature", "slice"]
    assert {link["url"] for link in board["links"]} == {f"/d/cyclone-{other}" for other in BOARDS if other != name}
    assert all(link["keepTime"] and link["includeVars"] for link in board["links"])


def list_addresses(value: Any) -> Iterator[str]:
    """Every address of a link in a board's panels."""
    if isinstance(value, dict):
        if isinstance(value.get("url"), str):
            yield value["url"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from list_addresses(item)


@pytest.mark.parametrize("name", BOARDS)
def test_an_address_of_a_board_keeps_time_and_variables(name: str) -> None:
    panels = BOARDS[name]["panels"]
    found = {url for url in list_addresses(panels) if not url.startswith("${__data.fields.")}
    kept = {f"/d/cyclone-{other}?${{__url_time_range}}&${{__all_variables}}" for other in BOARDS}
    row = "&var-model=${__data.fields.model:percentencode}"
    of_row = {f"/d/cyclone-{other}?${{__url_time_range}}{row}" for other in BOARDS} if name == "fleet" else set()
    assert found
    assert found <= kept | of_row
    for panel in panels:
        is_list_of_models = name == "fleet" and panel["type"] == "table"
        assert not is_list_of_models or {url for url in list_addresses(panel) if url in kept} == set()


@pytest.mark.parametrize("name", BOARDS)
def test_panels_lie_side_by_side_and_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_make_dashboards_writes_the_files(tmp_path: Path) -> None:
    """In a copy, so that this checkout's files stay as they are."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy2(REPOSITORY / name, tmp_path)
    shutil.copytree(REPOSITORY / "requirements", tmp_path / "requirements")
    shutil.copytree(REPOSITORY / "grafana" / "boards", tmp_path / "grafana" / "boards")
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    subprocess.run(["make", "--silent", "dashboards"], cwd=tmp_path, check=True)
    for folder in ("dashboards", "provisioning/alerting"):
        made = {path.name: path.read_text() for path in (tmp_path / "grafana" / folder).iterdir()}
        assert made == {path.name: path.read_text() for path in (REPOSITORY / "grafana" / folder).iterdir()}


def test_the_page_shows_every_panel() -> None:
    text = (REPOSITORY / "docs" / "grafana.md").read_text()
    missing = [
        panel["title"] for board in BOARDS.values() for panel in board["panels"] if f"**{panel['title']}.**" not in text
    ]
    assert [title for title in missing if title not in ROWS] == []


def list_coloured(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """The overrides of a table whose cells are coloured."""
    return [
        item
        for item in panel["fieldConfig"]["overrides"]
        if any(
            change["id"] == "custom.cellOptions" and change["value"]["type"].startswith("color-")
            for change in item["properties"]
        )
    ]


@pytest.mark.parametrize("panel", PANELS)
def test_colours_come_from_values_and_decimals_are_no_default_of_a_table(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    by_value = panel["type"] in ("table", "stat", "status-history")
    assert defaults["color"]["mode"] == ("thresholds" if by_value else "palette-classic")
    assert panel["type"] != "table" or "decimals" not in defaults, "versions and counts would be shown as 2.000"
    for item in list_coloured(panel):
        said = {change["id"]: change["value"] for change in item["properties"]}
        assert "mappings" in said or len(said["thresholds"]["steps"]) > 1, item["matcher"]


@pytest.mark.parametrize("name", BOARDS)
def test_a_limit_of_a_series_is_a_line(name: str) -> None:
    for panel in BOARDS[name]["panels"]:
        if panel["type"] == "timeseries":
            defaults = panel["fieldConfig"]["defaults"]
            has_limit = len(defaults["thresholds"]["steps"]) > 1
            assert defaults["custom"]["thresholdsStyle"] == {"mode": "line" if has_limit else "off"}, panel["title"]
