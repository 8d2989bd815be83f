from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from local_platform.demo_report import DemoComparison, build_table, draw_picture
from local_platform.replay.traffic import HistoryRow, ReplayedAnswer

START = datetime(2011, 2, 27, tzinfo=UTC)


def make_comparison() -> DemoComparison:
    """Four days over two months: Cyclone is off by 1, the fixed model by 4."""
    answers = [
        ReplayedAnswer(HistoryRow(START + timedelta(days=day), {}, label=10.0), version=1, prediction=11.0)
        for day in range(4)
    ]
    return DemoComparison(answers, [14.0] * 4)


def test_errors_are_means_over_the_rows_of_a_period() -> None:
    comparison = make_comparison()
    assert comparison.periods(7) == ["2011-02", "2011-03"]
    assert comparison.errors("2011-03") == (4.0, 1.0)
    assert comparison.errors() == (4.0, 1.0)


def test_predictions_of_another_number_of_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="4 answers, but 3 predictions"):
        DemoComparison(make_comparison().answers, [14.0] * 3)


def test_the_table_has_a_row_a_month_and_one_for_all() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(build_table(make_comparison()))
    lines = [line for line in capture.get().splitlines() if "75%" in line]
    assert [line.split("│")[1].strip() for line in lines] == ["2011-02", "2011-03", "all"]


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "error.png"
    draw_picture(make_comparison(), [(START + timedelta(days=2), 2)], path)
    assert path.read_bytes().startswith(b"\x89PNG")
