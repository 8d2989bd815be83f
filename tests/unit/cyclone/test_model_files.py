"""YAML files that cannot be meant as they are: each is refused by name, and stops no other model."""

from pathlib import Path

import pytest
import yaml

from cyclone.errors import ConfigurationError
from cyclone.sections.faults import UniqueKeyLoader
from cyclone.spec import load_model_specs, read_model_yaml


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"retrain: {folds: 3}\nretrain: {folds: 4}\n", "the key 'retrain' is there twice. Keep one"),
        (b"a: {b: 1, b: 1}", "the key 'b' is there twice"),
        ("name: caf\u00e9".encode("latin-1"), "unacceptable character"),
        (b"name: \x00", "special characters are not allowed"),
        (b"history_until: 2011-13-45", "month must be in 1..12"),
        (b"a: " + b"9" * 5000, "Exceeds the limit"),
        (b"{" * 5000, "recursion"),
        (b"? [a]\n: 1", "unhashable key"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        read_model_yaml(path)
    told = str(refused.value)
    assert told.startswith(str(path))
    assert ": not readable as YAML: " in told
    assert "\n" not in told
    assert words in told


@pytest.mark.parametrize(
    ("content", "held"),
    [
        ("name: caf\u00e9".encode(), {"name": "caf\u00e9"}),
        ("name: caf\u00e9".encode("utf-16"), {"name": "caf\u00e9"}),
        (b"a: &all {x: 1, y: 1}\nb: {<<: *all, x: 2}", {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}}),
        (b"1: one\n'1': text", {1: "one", "1": "text"}),
        (b"", None),
    ],
)
def test_what_can_be_meant_is_read(content: bytes, held: object) -> None:
    assert yaml.load(content, UniqueKeyLoader) == held


def test_a_model_whose_file_is_no_text_stops_no_other(tmp_path: Path) -> None:
    for name, content in (("bytes", b"\xff\xff\xff"), ("folder", None)):
        (tmp_path / name).mkdir()
        if content is None:
            (tmp_path / name / "model.yaml").mkdir()
        else:
            (tmp_path / name / "model.yaml").write_bytes(content)
    specs, errors = load_model_specs(tmp_path)
    assert (specs, len(errors)) == ([], 2)
