"""`cyclone backtest` on rows that nothing true can be learned from: refused before anything is computed."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from cyclone.__main__ import main

PIPELINE = 'def build_estimator():\n    raise AssertionError("nothing is trained")\n'
DAYS = 30
WAIT = ". Wait for other labels, or look at what sends them"


@pytest.fixture
def rows() -> pd.DataFrame:
    times = pd.date_range("2011-01-01", periods=24 * DAYS, freq="h", tz="UTC")
    wind = np.random.default_rng(0).uniform(0, 1, len(times))
    return pd.DataFrame({"created_at": times, "hour": times.hour, "wind": wind, "y": times.hour * 10 + 3 * wind})


def refuse(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: pd.DataFrame,
    **changes: Any,
) -> str:
    """What the command says on its way out. Only then was nothing written."""
    model = {
        "name": "m",
        "task": "regression",
        "history": "rows.csv",
        "features": [{"name": "hour", "type": "integer"}, {"name": "wind", "type": "number"}],
        "label": {"name": "y", "type": "number", "expected_delay_hours": 24},
        **changes,
    }
    place = folder / "models" / "m"
    place.mkdir(parents=True)
    (place / "model.yaml").write_text(yaml.safe_dump(model))
    (place / "pipeline.py").write_text(PIPELINE)
    rows.assign(created_at=[f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in rows["created_at"]]).to_csv(
        place / "rows.csv", index=False
    )
    picture = folder / "backtest.png"
    monkeypatch.setenv("CYCLONE_MODELS_DIR", str(folder / "models"))
    monkeypatch.setattr(sys, "argv", ["cyclone", "backtest", "m", "--from", "2011-01-21", "--picture", str(picture)])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert not picture.exists()
    return " ".join(capsys.readouterr().err.split())


def test_a_constant_target_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: pd.DataFrame
) -> None:
    told = refuse(tmp_path, monkeypatch, capsys, rows.assign(y=5.0))
    assert told == "cyclone: m: all 456 rows have the label 5.0, so nothing can be learned" + WAIT


def test_one_class_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: pd.DataFrame
) -> None:
    """The other class comes only after the start of the replay."""
    label = {"name": "y", "type": "boolean", "expected_delay_hours": 24}
    late = rows.assign(y=np.arange(len(rows)) > 24 * 25)
    told = refuse(tmp_path, monkeypatch, capsys, late, task="binary", label=label)
    assert told == "cyclone: m: all 456 rows have the label false, so nothing can be learned" + WAIT


def test_a_column_that_is_the_label_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: pd.DataFrame
) -> None:
    told = refuse(tmp_path, monkeypatch, capsys, rows.assign(wind=rows["y"] / 1000))
    assert told.startswith("cyclone: m: feature 'wind' is the label in all 456 rows, in other units")


def test_rows_that_repeat_each_other_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: pd.DataFrame
) -> None:
    told = refuse(tmp_path, monkeypatch, capsys, pd.concat([rows, rows, rows]))
    assert told.startswith("cyclone: m: 912 of 1368 rows repeat another one in every value")


def test_a_holdout_longer_than_the_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rows: pd.DataFrame
) -> None:
    told = refuse(tmp_path, monkeypatch, capsys, rows, retrain={"holdout_days": 60})
    assert told.startswith(
        "cyclone: m: 0 labelled rows of 0 days are left to train on at 2011-01-21, beside the newest"
    )
    assert told.endswith("Begin later with --from")
