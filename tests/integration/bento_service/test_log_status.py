"""`cyclone log status` on a real store."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bento_service.log.prediction_log import PredictionLog
from bento_service.log.spool_folder import Instance, SpoolBase
from bento_service.log.spooled_rows import LogRow
from cyclone.__main__ import app
from cyclone.log_status import show_share
from cyclone.store import Store

START = datetime(2011, 1, 31, 23, 30, tzinfo=UTC)


def log_rows(store: Store, folder: Path, texts: list[str], limit_bytes: int = 100_000, instance_id: str = "") -> None:
    """The rows of an instance that ends."""
    instance = Instance(instance_id.replace("/", "-") or folder.name, "bike_demand", 1, "bike-demand-v1", START)
    log = PredictionLog(store.dsn, instance, SpoolBase(folder.parent), limit_bytes)
    for number, text in enumerate(texts):
        log.hand_over([LogRow(f"{folder.name} {number}", START, 1.0, text, "2.5")])
    log.start()
    assert log.close(deadline_seconds=20)


def show_status(store: Store, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, list[list[str]]]:
    """The exit code and the cells of each line."""
    monkeypatch.setenv("CYCLONE_STORE_DSN", store.dsn)
    monkeypatch.setattr("cyclone.commands.console.width", 200)
    result = CliRunner().invoke(app, ["log", "status", *arguments])
    lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in result.output.splitlines()]
    return result.exit_code, lines


def test_a_complete_log_is_shown_by_revision_and_succeeds(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_rows(store, tmp_path / "a", ["1"] * 3)
    log_rows(store, tmp_path / "b", ["1"] * 2)
    code, lines = show_status(store, monkeypatch, "bike_demand")
    (row,) = [line[:12] for line in lines if "bike-demand-v1" in line]
    assert row == ["bike_demand", "bike-demand-v1", "2", "5", "5", "0", "0", "0", "0", "0", "0", "100.00 %"]
    assert code == 0


def test_losses_are_named_with_their_hour_and_reason_and_fail(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_rows(store, tmp_path / "a", ["1", '"\\u0000"', *["2"] * 10], limit_bytes=600)
    code, lines = show_status(store, monkeypatch)
    revision, window = [line for line in lines if "bike-demand-v1" in line]
    assert revision[3:12] == ["12", "3", "0", "0", "8", "1", "0", "0", "25.00 %"]
    assert window[2:] == ["2011-01-31 23:00", "12", "3", "0", "0", "8", "1", "0", "25.00 %"]
    assert ["set aside: 1 of bike_demand, 22P05: unsupported Unicode escape sequence"] in lines
    assert code == 1


def test_ids_of_other_rows_are_shown_as_conflicting_and_fail(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    for folder, texts in (("a/same", ["1", "2"]), ("b/same", ["1", "3"])):  # two instances, one name for their ids
        (tmp_path / folder).parent.mkdir(exist_ok=True)
        log_rows(store, tmp_path / folder, texts, instance_id=folder)
    code, lines = show_status(store, monkeypatch)
    revision, window = [line for line in lines if "bike-demand-v1" in line]
    assert revision[3:12] == ["4", "2", "1", "1", "0", "0", "0", "0", "75.00 %"]
    assert window[2:] == ["2011-01-31 23:00", "4", "2", "1", "1", "0", "0", "0", "75.00 %"]
    assert "1 answered rows are not in it, because their ids, such as 'same 1', are those of other rows" in caplog.text
    assert code == 1


def test_a_share_just_below_everything_is_not_everything() -> None:
    assert [show_share(share) for share in (None, 0.99999, 1.0)] == ["", "99.99 %", "100.00 %"]
