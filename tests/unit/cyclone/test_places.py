from pathlib import Path

import pytest

from cyclone import places
from cyclone.errors import ConfigurationError
from cyclone.places import find_home, find_shipped, is_checkout
from cyclone.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[3]


def test_in_a_checkout_files_models_and_state_are_those_of_the_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CYCLONE_MODELS_DIR", "CYCLONE_WORK_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert is_checkout()
    assert find_shipped("requirements/serving.txt") == REPOSITORY / "requirements" / "serving.txt"
    assert (find_home(), Settings().models_dir) == (REPOSITORY, REPOSITORY / "models")


def test_in_a_wheel_models_and_state_are_those_of_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CYCLONE_MODELS_DIR", "CYCLONE_WORK_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(places, "SHIPPED_ROOT", tmp_path / "shipped")
    assert not is_checkout()
    settings = Settings()
    assert (settings.models_dir, settings.work_dir) == (tmp_path / "models", tmp_path / ".cyclone")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "SHIPPED_ROOT", tmp_path)
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}/sql is missing: .* Install it again"):
        find_shipped("sql")
