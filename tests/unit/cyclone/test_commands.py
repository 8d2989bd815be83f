import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from cyclone.__main__ import main
from cyclone.lineage.explain import Lineage
from cyclone.lineage.report import format_lineage
from cyclone.places import REPOSITORY

CONFIG = str(REPOSITORY / "models" / "bike_demand" / "model.yaml")
Refuse = Callable[..., str]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Gives a command that has to be refused, without a store. Returns what it says."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["cyclone", *arguments])
        with pytest.raises(SystemExit, match="1"):
            main()
        return capsys.readouterr().err

    return run


def test_an_error_is_one_sentence_that_quotes_what_was_asked_brackets_included(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cyclone", "timeline", "[/bold]"])
    with pytest.raises(SystemExit, match="1"):
        main()
    told = capsys.readouterr().err
    assert told.startswith("cyclone: model '[/bold]' is not in ")
    assert told.rstrip().endswith("Models there: bike_demand")


def test_an_argument_that_is_no_text_is_refused_before_anything_is_asked_of_the_store(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cyclone", "explain", os.fsdecode(b"caf\xe9")])
    with pytest.raises(SystemExit, match="1"):
        main()
    told = capsys.readouterr().err
    assert told.startswith("cyclone: the argument 'caf\\udce9' has bytes that are not UTF-8.")


@pytest.mark.parametrize(
    "name", ["bike_demand/", "./bike_demand", "../models/bike_demand", "bike_demand/.", "n" * 5000]
)
def test_a_path_that_leads_to_a_model_is_no_name_of_it(refuse: Refuse, name: str) -> None:
    told = refuse("timeline", name)
    shown = name if len(name) <= 100 else name[:100] + "…"
    assert told.startswith(f"cyclone: model {shown!r} is not in ")
    assert told.rstrip().endswith("Models there: bike_demand")


@pytest.mark.parametrize("command", ["retrain", "resume", "promote", "rollback", "redeploy", "retire"])
def test_a_reason_that_nobody_would_read_is_refused(refuse: Refuse, command: str) -> None:
    told = refuse(command, "bike_demand", "--because", "x" * 1001)
    assert told == "cyclone: the reason has 1,001 characters, and at most 1,000 are kept. Shorten it\n"


@pytest.mark.parametrize("reason", ["", "  ", "\t\n", "\x1b\x07"])
def test_a_reason_of_nothing_visible_is_none(refuse: Refuse, reason: str) -> None:
    assert refuse("retire", "bike_demand", "--because", reason).startswith("cyclone: bike_demand: --because is empty.")


@pytest.mark.parametrize(("option", "day"), [("--from", "0001-01-01"), ("--to", "9999-12-31")])
@pytest.mark.parametrize("command", [("what-if", "--config", CONFIG), ("backfill",)])
def test_a_year_that_no_row_can_be_of_is_refused(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], option: str, day: str
) -> None:
    monkeypatch.setenv("CYCLONE_STORE_DSN", "postgresql://nobody@127.0.0.1:1/none")
    days = {"--from": "2026-11-01", "--to": "2026-11-02"} | {option: day}
    told = refuse("monitor", command[0], "bike_demand", *command[1:], *(word for pair in days.items() for word in pair))
    assert told.startswith(
        f"cyclone: {option} {day}T00:00:00: no row can be of this year. Give a day from 1900-01-01 to"
    )


@pytest.mark.parametrize("hours", ["inf", "1e300", "8785"])
def test_a_delay_of_labels_that_no_model_may_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hours: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["cyclone", "replay", "bike_demand", "--delay", hours])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "less than or equal to 8784" in capsys.readouterr().err


def test_what_a_client_sent_does_not_command_the_terminal_of_who_asks_for_it() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    label = {"label": "\x1b[2J", "observed_at": at}
    row = {"id": "\x1b[31mred\r\n", "model": "m", "version": None, "created_at": at, "input": {"a": "\x9b"}}
    told = format_lineage(Lineage(prediction=row, labels=[label]))
    assert [line for line in told.splitlines() if not line.isprintable()] == []
    assert told.startswith("prediction \\x1b[31mred\\r\\n of m\n")
