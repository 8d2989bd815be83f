from pathlib import Path

import pytest

from cyclone.errors import ConfigurationError
from cyclone.settings import read_settings


def test_a_folder_whose_path_others_would_read_as_a_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CYCLONE_WORK_DIR", f"{tmp_path}/it's 100% #1? ü")
    assert read_settings().work_dir == tmp_path / "it's 100% #1? ü"
    monkeypatch.setenv("CYCLONE_WORK_DIR", f"{tmp_path}/$HOME")
    with pytest.raises(ConfigurationError, match=r"^CYCLONE_WORK_DIR='.*/\$HOME': .* its path has a \$"):
        read_settings()
    folder = tmp_path / "$HOME"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CYCLONE_WORK_DIR", "state")
    with pytest.raises(ConfigurationError, match=r"^CYCLONE_WORK_DIR='state': .* use another folder$"):
        read_settings()
