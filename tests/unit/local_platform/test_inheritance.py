"""What a part of the local platform gets of the environment of whoever starts it."""

import pytest

from local_platform.inheritance import ENGINE, NEEDED, inherit


def test_a_part_gets_what_a_program_needs_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NEEDED, *ENGINE, "CYCLONE_STORE_DSN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, f"the {name}")
    assert inherit() == {name: f"the {name}" for name in NEEDED}
    assert inherit(*ENGINE) == {name: f"the {name}" for name in (*NEEDED, *ENGINE)}


def test_what_is_not_set_is_not_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    assert "TZ" not in inherit()
