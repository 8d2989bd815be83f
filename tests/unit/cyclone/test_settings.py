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


@pytest.mark.parametrize("url", ["", "gs://bucket", "gs://bucket/a/b", "s3://bucket/a", "file:///mnt/handover"])
def test_a_place_to_hand_over_is_an_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONE_HANDOVER_URL", url)
    assert read_settings().handover_url == url


@pytest.mark.parametrize("url", ["/mnt/handover", "gs:bucket", "gs://", "file://host/folder", "http://host/folder"])
def test_another_place_to_hand_over_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONE_HANDOVER_URL", url)
    with pytest.raises(ConfigurationError, match=rf"^CYCLONE_HANDOVER_URL='{url}': .*gs://bucket/folder"):
        read_settings()
