"""The file of routes: what it may say, what is refused, and what a notifier is given."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cyclone.errors import ConfigurationError
from cyclone.messages.outbox import Message
from cyclone.messages.routes import Route, fill_arguments, read_routes

MESSAGE = Message(1, "churn", "hold", "4", "critical", datetime(2026, 3, 1, tzinfo=UTC), "{title} <b>stopped</b>.")


def write(folder: Path, text: str) -> Path:
    path = folder / "messages.yaml"
    path.write_text(text)
    return path


def test_without_a_file_there_are_no_routes() -> None:
    assert read_routes(None) == ()


def test_a_route_carries_its_models_and_severities_and_without_any_all(tmp_path: Path) -> None:
    narrow, wide = read_routes(
        write(
            tmp_path,
            "- {name: mail, notifier: a.Mail, severities: [critical], models: [churn]}\n- {name: all, notifier: a.B}\n",
        )
    )
    other = Message(2, "churn", "promotion", "4", "info", MESSAGE.at, "it serves")
    of_other_model = Message(3, "fraud", "hold", "5", "critical", MESSAGE.at, "it stopped")
    assert [narrow.carries(each) for each in (MESSAGE, other, of_other_model)] == [True, False, False]
    assert [wide.carries(each) for each in (MESSAGE, other, of_other_model)] == [True, True, True]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- [", ", line 1: not readable as YAML: "),
        (
            "- {name: a, notifier: a.B, notifier: a.C}",
            ", line 1: not readable as YAML: the key 'notifier' is there twice",
        ),
        ("- {name: 2011-02-31}", ": not readable as YAML: day is out of range"),
        ("", ": the file: "),
        ("- {name: a}", r": 0\.notifier: Field required"),
        ("- {name: a, notifier: Mail}", r": 0\.notifier: String should match pattern"),
        ("- {name: a, notifier: a.B, severities: [urgent]}", r": 0\.severities\.0: Input should be 'info'"),
        ("- {name: a, notifier: a.B, argument: {}}", r": 0\.argument: Extra inputs"),
        ("- {name: a, notifier: a.B}\n- {name: a, notifier: a.C}", ": the name 'a' stands twice"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=f"messages.yaml{fault}"):
        read_routes(write(tmp_path, text))


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"CYCLONE_MESSAGES_FILE=.*absent\.yaml: the file cannot be read"):
        read_routes(tmp_path / "absent.yaml")


def test_texts_are_filled_in_once_and_what_a_message_says_is_no_template() -> None:
    route = Route(
        name="mail", notifier="a.Mail", arguments={"subject": "[{severity}] {title}", "to": ["{model}@x"], "port": 25}
    )
    assert fill_arguments(route.arguments, MESSAGE, "http://airflow/x?a=1&b=2") == {
        "subject": "[critical] churn: hold (critical)",
        "to": ["churn@x"],
        "port": 25,
    }
    filled = fill_arguments({"body": "{text}", "html": "{html}", "odd": "{unknown} {"}, MESSAGE, "http://a/?a=1&b=2")
    assert filled["body"].startswith("churn: {title} <b>stopped</b>. Look at the data first.")
    assert filled["body"].endswith("\nhttp://a/?a=1&b=2")
    assert "&lt;b&gt;stopped" in filled["html"]
    assert 'href="http://a/?a=1&amp;b=2"' in filled["html"]
    assert filled["odd"] == "{unknown} {"
