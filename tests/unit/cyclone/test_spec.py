from pathlib import Path
from typing import Any

import pytest
import yaml

from cyclone.errors import ConfigurationError
from cyclone.spec import ModelSpec, find_model, load_model_spec

MINIMAL: dict[str, Any] = {
    "name": "m",
    "task": "regression",
    "features": [{"name": "x", "type": "number"}],
    "label": {"name": "y", "type": "number", "expected_delay_hours": 1},
}


def write_model(folder: Path, content: str | dict[str, Any], *, pipeline: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    if pipeline:
        (folder / "pipeline.py").write_text("def build_estimator(): ...\n")
    return folder


def test_four_keys_make_a_model_and_the_rest_has_defaults(tmp_path: Path) -> None:
    spec = load_model_spec(write_model(tmp_path / "m", MINIMAL))
    assert spec.monitor.schedule == "*/5 * * * *"
    assert list(spec.monitor.error) == ["mean_absolute_error", "bias"]
    assert spec.release.steps == (5, 20, 50, 100)


@pytest.mark.parametrize("schedule", ["0 3 * * *", "*/5 8-18 * * 1-5", "0,30 0-23/2 1 1,7 0"])
def test_a_schedule_is_a_cron_expression(schedule: str) -> None:
    assert ModelSpec.model_validate({**MINIMAL, "monitor": {"schedule": schedule}}).monitor.schedule == schedule


def test_a_classifier_is_judged_by_its_log_loss_unless_told_otherwise() -> None:
    spec = ModelSpec.model_validate({**MINIMAL, "task": "binary", "label": {**MINIMAL["label"], "type": "boolean"}})
    assert list(spec.monitor.error) == ["log_loss"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retrian": {}}, r"retrian: unknown key"),
        ({"task": "regresion"}, r"task: Input should be 'regression', 'binary' or 'multiclass' \(value 'regresion'\)"),
        ({"features": []}, r"features: .*at least 1 item"),
        ({"features": [{"name": "x", "type": "number"}] * 2}, r"feature 'x' is declared twice"),
        ({"features": [{"name": "y", "type": "number"}]}, r"feature 'y': this name is taken"),
        ({"features": [{"name": "x", "type": "number", "range": [2, 1]}]}, r"range \[2.0, 1.0\] must have its lower"),
        (
            {"features": [{"name": "x", "type": "integer", "range": [0, 2**53 + 1]}]},
            r"features.0.range: a bound is 9007199254740993, which a float would round",
        ),
        (
            {"features": [{"name": "x", "type": "number", "range": [0, 10**400]}]},
            r"features.0.range: a bound is 10+, which a float would round",
        ),
        (
            {"features": [{"name": "x", "type": "integer", "range": [0.2, 0.8]}]},
            r"range \[0.2, 0.8\] holds no integer, and 'x' is one",
        ),
        (
            {"features": [{"name": "x", "type": "category", "values": ["a\0"]}]},
            r"values of 'x' hold .u0000, which Postgres cannot store",
        ),
        (
            {"features": [{"name": "x", "type": "text", "range": [1, 2]}]},
            r"range is for type integer and number, and 'x' is text",
        ),
        ({"features": [{"name": "x", "type": "category"}]}, r"values are needed for a category"),
        ({"release": {"steps": [50, 20, 100]}}, r"release.steps: steps must rise and end with 100"),
        ({"release": {"steps": [5, 50]}}, r"release.steps: steps must rise and end with 100"),
        ({"monitor": {"schedule": "every day"}}, r"monitor.schedule: a cron expression of five fields .*'every day'"),
        ({"serving": {"memory": "512 MB"}}, r"serving.memory: String should match pattern .* \(value '512 MB'\)"),
        ({"serving": {"cpu": "3"}}, r"serving.cpu: Cloud Run has instances of 1, 2, 4, 6, 8 cores.* \(value '3'\)"),
        ({"serving": {"cpu": "500m"}}, r"serving.cpu: Cloud Run has .* \(value '500m'\)"),
        ({"serving": {"memory": "256Mi"}}, r"memory '256Mi' with cpu '1': Cloud Run takes 0.5Gi to 4Gi"),
        ({"serving": {"memory": "5Gi"}}, r"memory '5Gi' with cpu '1': .* Change memory or cpu"),
        ({"serving": {"memory": "1Gi", "cpu": "4"}}, r"memory '1Gi' with cpu '4': Cloud Run takes 2Gi to 16Gi"),
        ({"serving": {"spool_mb": 512}}, r"spool_mb 512 does not fit into memory '512Mi'"),
        ({"name": "tank_"}, r"name: String should match pattern .* \(value 'tank_'\)"),
        ({"name": "a__b"}, r"name: String should match pattern .* \(value 'a__b'\)"),
        ({"name": "a" * 41}, r"name: String should have at most 40 characters"),
        ({"monitor": {"schedule": "99 99 * * *"}}, r"monitor.schedule: a cron .*: minute 0 to 59, .* \(value '99 99"),
        ({"monitor": {"schedule": "*/0 * * * *"}}, r"monitor.schedule: a cron .* \(value '\*/0"),
        ({"monitor": {"schedule": "0 9-5 * * *"}}, r"monitor.schedule: a cron .* \(value '0 9-5"),
        (
            {"features": [{"name": "x", "type": "number", "range": [0, float("inf")]}]},
            r"features.0.range.1: Input should be a finite number \(value inf\)",
        ),
        ({"retrain": {"half_life_days": float("nan")}}, r"half_life_days: Input should be .* \(value nan\)"),
        ({"retrain": {"maximum_age_days": 10_000}}, r"maximum_age_days: .* or equal to 3660 \(value 10000\)"),
        (
            {"label": {**MINIMAL["label"], "expected_delay_hours": float("inf")}},
            r"label.expected_delay_hours: Input should be .* \(value inf\)",
        ),
        ({"monitor": {"drift": {"psi": {"limit": -1}}}}, r"monitor.drift.psi.limit: .*greater than 0 \(value -1\)"),
        (
            {"monitor": {"service": {"failure_share": {"limit": 5}}}},
            r"monitor.service: check 'failure_share' gives 1 at most: it could never fail with limit 5",
        ),
        (
            {"monitor": {"drift": {"jensen_shannon": {"limit": 1.0}}}},
            r"monitor.drift: check 'jensen_shannon' gives 1 at most: it could never fail with limit 1",
        ),
        (
            {"label": {**MINIMAL["label"], "load_every_days": 30}, "retrain": {"window_days": 35}},
            r"load_every_days 30 leaves 4 labelled days of retrain.window_days 35, .* Set window_days to 41 or more",
        ),
        ({"label": {**MINIMAL["label"], "load_every_days": 91}}, r"load_every_days: .*less than or equal to 90"),
        ({"release": {"error_ratio_limit": 50}}, r"error_ratio_limit: .*less than or equal to 10 \(value 50\)"),
        ({"release": {"latency_ratio_limit": 500}}, r"latency_ratio_limit: .*less than or equal to 100 \(value 500\)"),
        ({"release": {"prediction_shift_limit": 1}}, r"prediction_shift_limit: .*less than 1 \(value 1\)"),
        ({"retrain": {"triggered_by": []}}, r"retrain: triggered_by is empty .* it could never fire. If only people"),
        ({"retrain": {"cost": 3}}, r"retrain: cost 3 is above budget_per_week 2: it could never fire"),
        ({"retrain": {"error": {"minimum_days": 8}}}, r"minimum_days 8 is above window_days 7: it could never fire"),
        ({"retrain": {"error": {"limit": 1.0}}}, r"retrain.error.limit: .*greater than 1 \(value 1.0\)"),
        ({"retrain": {"maximum_age_days": 3}}, r"maximum_age_days 3 is within cooldown_days 10"),
        (
            {"retrain": {"window_days": 14, "holdout_days": 20}},
            r"holdout_days 20 leaves 0 of window_days 14",
        ),
        ({"retrain": {"window_days": 8}}, r"holdout_days 5 leaves 3 of window_days 8 to train on: folds 5 needs"),
        (
            {"retrain": {"triggered_by": ["drift"]}, "monitor": {"drift": {}}},
            r"retrain.triggered_by names checks of kind 'drift', but monitor.drift has none: it could never fire",
        ),
        (
            {"retrain": {"triggered_by": ["weather"]}},
            r"triggered_by.0: .*'error', 'error_checks', 'drift', 'estimate', 'service' or 'req",
        ),
        ({"retrain": {"cooldown_days": 5000}}, r"retrain.cooldown_days: .*less than or equal to 366 \(value 5000\)"),
        ({"retrain": {"cost_days": 0}}, r"retrain.cost_days: .*greater than 0 \(value 0\)"),
        ({"retrain": {"window_days": "best"}}, r"retrain.window_days.*: .*'auto' \(value 'best'\)"),
        ({"retrain": {"half_life_days": 0.01}}, r"retrain.half_life_days: .*greater than or equal to 1 \(value 0.01\)"),
        (
            {"retrain": {"breaker": {"missing_share": 1.0}}},
            r"breaker.missing_share: .*less than 1 \(value 1.0\)",
        ),
        ({"retrain": {"breaker": {"rejected_share": 1.0}}}, r"retrain.breaker.rejected_share: .*less than 1"),
        ({"retrain": {"slice_margin": 9.0}}, r"retrain.slice_margin: .*less than or equal to 0.5 \(value 9.0\)"),
        ({"retrain": {"slices": ["x"]}}, r"retrain.slices names 'x', a number: .* Allowed are category, boolean"),
        ({"retrain": {"gate_margin": 0.5}}, r"retrain.gate_margin: .*less than or equal to 0.25 \(value 0.5\)"),
        (
            {"retrain": {"gate_margin": 0.2, "error": {"limit": 1.2}}},
            r"gate_margin 0.2 accepts what error.limit 1.2 would retrain again",
        ),
        ({"retrain": {"slices": ["z"]}}, r"retrain.slices names 'z', which is no feature. Features are x"),
        ({"recalibrate": {"minimum_days": 9}}, r"minimum_days 9 is above memory_days 7"),
        ({"recalibrate": {"method": "temperature"}}, r"'temperature': a regression takes ratio or bias"),
        ({"serving": {"min_instances": 9}}, r"min_instances 9 is above max_instances 4"),
        ({"serving": {"max_rows": "1000"}}, r"serving.max_rows: Input should be a valid integer \(value '1000'\)"),
        ({"name": "Bike Demand"}, r"name: .*pattern.* \(value 'Bike Demand'\)"),
        ({"label": None}, r"label: "),
        (
            {"label": {**MINIMAL["label"], "range": [9, 0]}},
            r"label: range \[9.0, 0.0\] must have its lower bound first",
        ),
        ({"label": {**MINIMAL["label"], "values": ["a"]}}, r"label: values are needed for a category .*'y' is number"),
        ({"label": {**MINIMAL["label"], "type": "boolean"}}, r"label.type 'boolean': a regression needs integer or n"),
        ({"task": "binary"}, r"label.type 'number': a binary model needs boolean"),
        ({"task": "multiclass"}, r"label.type 'number': a multiclass model needs category, with its values"),
        ({"webhook": {"actions": ["reboot"]}}, r"webhook.actions.0: .*'retrain', 'recalibrate', 'roll_back' or 'note'"),
        ({"history_until": "February"}, r"history_until: an ISO date is needed.* \(value 'February'\)"),
    ],
)
def test_a_wrong_model_yaml_names_key_value_and_what_is_allowed(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = write_model(tmp_path / "m", {**MINIMAL, **change})
    with pytest.raises(ConfigurationError, match=message):
        load_model_spec(folder)


def test_yaml_that_does_not_parse_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model.yaml, line 1: not readable as YAML: expected"):
        load_model_spec(write_model(tmp_path / "m", "name: [unclosed"))


def test_a_missing_pipeline_says_what_it_defines(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"pipeline.py: missing. It has to define build_estimator\(\) of m"):
        load_model_spec(write_model(tmp_path / "m", MINIMAL, pipeline=False))


def test_a_name_that_is_not_the_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"name 'm' must be the folder's name 'other'"):
        load_model_spec(write_model(tmp_path / "other", MINIMAL))


def test_an_unknown_model_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    write_model(tmp_path / "m", MINIMAL)
    with pytest.raises(ConfigurationError, match=r"model 'n' is not in .*\. Models there: m"):
        find_model(tmp_path, "n")


LINES = """name: m
task: regression
features:
  - {name: x, type: number}
  - name: z
    type: numbr
label: {name: y, type: number, expected_delay_hours: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        ("", "", ["line 6: features.1.type: Input should be 'integer'"]),
        ("numbr", "number\n    range: [2, 1]", ["line 5: features.1: range [2.0, 1.0] must"]),
        (
            ", expected_delay_hours: 1",
            "",
            ["line 6: features.1.type", "line 7: label.expected_delay_hours: missing. It"],
        ),
        ("name: z", "name: 2011-01-01", ["YAML takes it for a date: write it in quotes", "line 6: features.1.type"]),
        ("name: z", "name: yes", ["(value True). YAML takes it for yes or no: write it in quotes", "line 6"]),
        (
            "task: regression",
            "task: regression\ntask: binary",
            ["line 3: not readable as YAML: the key 'task'"],
        ),
        (
            "{name: x, type: number}",
            "{name: x, name: w, type: number}",
            ["line 4: not readable as YAML: the key"],
        ),
        ("    type: numbr", "\ttype: numbr", ["line 6: not readable as YAML: found character '\\t' that cannot start"]),
    ],
)
def test_each_fault_of_a_model_yaml_is_one_line_with_its_place(
    tmp_path: Path, old: str, new: str, faults: list[str]
) -> None:
    folder = write_model(tmp_path / "m", LINES.replace(old, new))
    with pytest.raises(ConfigurationError) as raised:
        load_model_spec(folder)
    told = str(raised.value).splitlines()
    assert len(told) == len(faults)
    for line, fault in zip(told, faults, strict=True):
        assert line.startswith(f"{folder / 'model.yaml'}, line ")
        assert fault in line


def test_a_file_that_is_no_text_is_refused_as_such(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", MINIMAL)
    (folder / "model.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigurationError, match=r"model.yaml: not readable as YAML"):
        load_model_spec(folder)
