import os
import sys

import pytest

from cyclone.__main__ import main


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
