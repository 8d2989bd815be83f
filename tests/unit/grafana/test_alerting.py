"""The files of alerting hold what their keys need, and nothing in them is taken for a variable that is none."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from grafana.boards import alerts
from grafana.trial.questions import FOLDER, read_alerting, read_boards

FILES = read_alerting()
RULES = [rule for content in FILES.values() for group in content.get("groups", ()) for rule in group["rules"]]
POINTS = [point for content in FILES.values() for point in content.get("contactPoints", ())]
YAML = {path.parent.name: yaml.safe_load(path.read_text()) for path in (FOLDER / "provisioning").rglob("*.yaml")}
KEYS = {
    "uid",
    "title",
    "condition",
    "for",
    "noDataState",
    "execErrState",
    "labels",
    "annotations",
    "dashboardUid",
    "panelId",
    "notification_settings",
    "data",
}
RAW = re.compile(r"\.annotations$|\.data\.\d+\.model$")
"""What Grafana fills no variable into: the annotations of a rule, and its question."""
MEANT = re.compile(r"\$__(env|file)\{[^}]+\}|\$\$")


def list_strings(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text that Grafana fills variables into, with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not RAW.search(f"{at}.{key}"):
                yield from list_strings(item, f"{at}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from list_strings(item, f"{at}.{place}")
    elif isinstance(value, str):
        yield at, value


def find_unmeant(content: Any) -> list[str]:
    """Places at which a `$` stands that Grafana would take for a variable."""
    return [at for at, text in list_strings(content) if "$" in MEANT.sub("", text)]


@pytest.mark.parametrize("content", [*FILES.values(), *YAML.values()], ids=[*FILES, *YAML])
def test_no_text_holds_a_variable_by_mistake(content: Any) -> None:
    assert find_unmeant(content) == []


def test_a_label_that_would_lose_its_variable_is_found() -> None:
    planted = copy.deepcopy(FILES["cyclone-3-rules"])
    planted["groups"][0]["rules"][0]["labels"]["model"] = "{{ $labels.model }}"
    assert find_unmeant(planted) == [".groups.0.rules.0.labels.model"]
    planted["groups"][0]["rules"][0]["labels"]["model"] = "{{ $$labels.model }}"
    assert find_unmeant(planted) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_a_rule_says_what_happens_without_data_and_leads_to_a_panel_that_is_there(rule: dict[str, Any]) -> None:
    assert rule.keys() == KEYS
    assert rule["noDataState"] in ("OK", "NoData")
    assert rule["execErrState"] in ("KeepLast", "Error")
    assert rule["labels"]["cyclone"] in ("retrain", "note")
    assert rule["notification_settings"]["receiver"] in [point["name"] for point in POINTS]
    board = next(item for item in read_boards().values() if item["uid"] == rule["dashboardUid"])
    assert rule["panelId"] in [panel["id"] for panel in board["panels"]]


def test_uids_are_distinct_and_short_enough() -> None:
    uids = [rule["uid"] for rule in RULES] + [item["uid"] for point in POINTS for item in point["receivers"]]
    uids += [board["uid"] for board in read_boards().values()]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)


def test_only_a_risen_error_asks_for_a_retraining_and_one_rule_tells_that_it_could_not_ask() -> None:
    assert [rule.name for rule in alerts.RULES if rule.action == "retrain"] == ["error"]
    assert [rule.name for rule in alerts.RULES if rule.on_error == "Error"] == ["monitor"]
    assert len(alerts.RULES) == 6


def test_grafana_starts_with_the_variables_that_the_page_asks_for() -> None:
    named = set(re.findall(r"\$__env\{(\w+)\}", f"{FILES} {YAML}"))
    page = (FOLDER.parent / "docs" / "grafana.md").read_text()
    assert named == set(re.findall(r"^   \| `(CYCLONE_\w+)` \|", page, re.MULTILINE))
    receivers = [item["type"] for point in POINTS for item in point["receivers"]]
    assert receivers == ["webhook"], "mail without an address ends Grafana's start"


def test_rules_and_boards_have_folders_of_different_titles() -> None:
    of_boards = {provider["folder"] for provider in YAML["dashboards"]["providers"]}
    of_rules = {group["folder"] for content in FILES.values() for group in content.get("groups", ())}
    assert (of_boards, of_rules) == ({"Cyclone"}, {"Cyclone alerts"})


def test_nobody_elses_routing_is_touched() -> None:
    assert all("policies" not in content and "resetPolicies" not in content for content in FILES.values())


def test_the_webhook_is_signed_with_a_time() -> None:
    webhook = POINTS[0]["receivers"][0]["settings"]
    assert webhook["hmacConfig"] == {
        "secret": "$__file{/etc/grafana/cyclone/webhook-secret}",
        "header": "X-Grafana-Alerting-Signature",
        "timestampHeader": "X-Grafana-Alerting-Timestamp",
    }


def test_boards_and_rules_ask_the_data_source_that_is_provisioned() -> None:
    path = FOLDER / "provisioning" / "datasources" / "cyclone.yaml"
    source = yaml.safe_load(path.read_text())["datasources"][0]
    asked = {data["datasourceUid"] for rule in RULES for data in rule["data"]} - {"__expr__"}
    asked |= {
        panel["datasource"]["uid"]
        for board in read_boards().values()
        for panel in board["panels"]
        if panel["type"] != "row"
    }
    assert asked == {source["uid"]}
    assert "password" not in source
    assert source["secureJsonData"]["password"].startswith("$__file{")


def test_brackets_of_every_template_are_in_pairs() -> None:
    for template in FILES["cyclone-1-templates"]["templates"]:
        text = template["template"]
        opened = len(re.findall(r"\{\{-? ?(?:define|range|with|if)\b", text))
        assert text.startswith(f'{{{{ define "{template["name"]}"')
        assert opened == len(re.findall(r"\{\{-? ?end\b", text))
