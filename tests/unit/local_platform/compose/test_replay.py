"""A replay in the stack is refused where the stack lives in the present."""

import pytest

from local_platform.compose import replay


def test_a_stack_in_the_present_is_told_how_to_live_in_the_past(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CYCLONE_CLOCK", "wall")
    assert replay.main(["bike_demand"]) == 1
    assert "Start a stack with CYCLONE_CLOCK=replay and CYCLONE_MONITOR_SCHEDULE='0 0 * * *'" in capsys.readouterr().err


def test_a_day_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CYCLONE_CLOCK", "replay")
    assert replay.main(["bike_demand", "--to", "soon"]) == 1
    assert "--to 'soon': this is no ISO date" in capsys.readouterr().err
