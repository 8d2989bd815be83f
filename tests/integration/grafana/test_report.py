"""The page's part with the answers of a store: made from a store of a platform, which it leaves as it was."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cyclone.errors import StoreError
from cyclone.store import Store
from grafana.trial.filling import World, fill_store
from grafana.trial.questions import read_boards
from grafana.trial.report import BEGIN, END, PAGE, write_report

UNTIL = datetime(2011, 6, 1, tzinfo=UTC)


def test_a_report_has_each_panel_of_the_busiest_model_for_the_time_in_which_it_answered(store: Store) -> None:
    fill_store(store, World(rows=4_000, days=60, until=UNTIL))
    told = write_report(store.dsn)
    assert "`demand`, and the time is 2011-04-02 to 2011-06-01. That is event time." in " ".join(told.split())
    panels = [panel for board in read_boards().values() for panel in board["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in panels if f"**{panel['title']}.** " not in told] == []
    assert "| 2011-05-31 " in told
    assert "| 1306" not in told, "a time is no number of seconds"
    assert "http" not in told


def test_an_empty_answer_says_what_its_panel_would(store: Store) -> None:
    fill_store(store, World(rows=4_000, days=60, until=UNTIL))
    with store.transaction() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("DELETE FROM calibration")
    assert "*No calibration has served.*" in write_report(store.dsn)


def test_a_store_without_rows_and_one_that_does_not_answer_are_named(store: Store) -> None:
    with pytest.raises(StoreError, match="no model has answered a row in this store: run `make demo KEEP=1`"):
        write_report(store.dsn)
    with pytest.raises(StoreError, match="the store cannot be asked: "):
        write_report("postgresql://nobody@127.0.0.1:9/cyclone")


def test_without_a_running_platform_the_command_says_what_to_run_and_leaves_the_page(tmp_path: Path) -> None:
    before = PAGE.read_text()
    variables = os.environ | {"CYCLONE_WORK_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "grafana.trial.report"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"error: no platform runs in {tmp_path}. Run `make demo KEEP=1` first, or name a store" in done.stderr
    assert PAGE.read_text() == before
    assert before.count(BEGIN) == before.count(END) == 1
