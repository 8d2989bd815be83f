"""The check of a dataset before anything is trained on it: Great Expectations, generated from model.yaml."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.errors import DataError
from cyclone.frames import find_dtype
from cyclone.sections import Feature, Label
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.dataset import Dataset, read_dataset

SHOWN_ROWS = 5
Expectation = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class ValidationReport:
    """Whether a dataset meets every expectation, how many there were, and the page that shows them."""

    success: bool
    expectations: int
    page: str


def validate_dataset(settings: Settings, spec: ModelSpec, dataset: Dataset) -> ValidationReport:
    """Hold the dataset to its model.yaml; `validation.json` and `validation.html` are written beside it.

    Errors: `DataError` naming each failed expectation, its column, and its first rows by their ids.
    """
    expectations = list_expectations(spec)
    result = _run_suite(spec, dataset, expectations)
    folder = Path(dataset.path).parent
    page = folder / "validation.html"
    page.write_text(_render(result))
    outcome = result.to_json_dict()
    (folder / "validation.json").write_text(json.dumps(outcome, indent=2))
    if not result.success:
        failures = [item for item in outcome["results"] if not item["success"]]
        raise DataError(f"{spec.name}: " + "; ".join(map(describe_failure, failures)) + f"; see {page}")
    return ValidationReport(success=True, expectations=len(expectations), page=str(page))


def list_expectations(spec: ModelSpec) -> list[Expectation]:
    """What the spec promises about a dataset, as Great Expectations' types and their arguments."""
    found: list[Expectation] = [
        ("expect_table_row_count_to_be_between", {"min_value": spec.retrain.minimum_rows}),
        ("expect_column_values_to_be_unique", {"column": "id"}),
        ("expect_column_values_to_not_be_null", {"column": "created_at"}),
        ("expect_column_values_to_not_be_null", {"column": "label"}),
    ]
    for feature in spec.features:
        if not feature.nullable:
            found.append(("expect_column_values_to_not_be_null", {"column": feature.name}))
        if find_dtype(feature) != "object":
            found.append(
                (
                    "expect_column_values_to_be_of_type",
                    {"column": feature.name, "type_": find_dtype(feature)},
                )
            )
        found += _expect_bounds(feature, feature.name)
    return found + _expect_bounds(spec.label, "label")


def describe_failure(result: dict[str, Any]) -> str:
    """One failed expectation in words: its type, column, bounds, how many rows, the first of them with values."""
    kwargs = dict(result["expectation_config"]["kwargs"])
    kwargs.pop("batch_id", None)
    column = kwargs.pop("column", "the table")
    bounds = ", ".join(f"{name} {value}" for name, value in kwargs.items() if value is not None)
    head = f"{result['expectation_config']['type']} failed for {column}" + (f" ({bounds})" if bounds else "")
    outcome = result["result"]
    rows = outcome.get("unexpected_index_list") or []
    if not rows:
        return f"{head}: {outcome.get('observed_value', result['exception_info'])}"
    shown = ", ".join(f"{row['id']} = {_show(row.get(column))}" for row in rows[:SHOWN_ROWS])
    more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
    return f"{head}: row {shown}{more}"


def _show(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)  # a NumPy number would show its type


def _expect_bounds(field: Feature | Label, column: str) -> list[Expectation]:
    if field.range is not None:
        bounds = {"column": column, "min_value": field.range[0], "max_value": field.range[1]}
        return [("expect_column_values_to_be_between", bounds)]
    if field.values is not None:
        return [("expect_column_values_to_be_in_set", {"column": column, "value_set": list(field.values)})]
    return []


def _run_suite(spec: ModelSpec, dataset: Dataset, expectations: list[Expectation]) -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "False"  # read once, at the import
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("retraining").add_dataframe_asset(spec.name)
    batch = asset.add_batch_definition_whole_dataframe(Path(dataset.path).parent.name)
    configured = [ExpectationConfiguration(type=kind, kwargs=kwargs) for kind, kwargs in expectations]
    suite = context.suites.add(gx.ExpectationSuite(spec.name, expectations=configured))
    definition = gx.ValidationDefinition(name=spec.name, data=batch, suite=suite)
    return context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": read_dataset(spec, dataset)},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]},
    )


def _render(result: Any) -> str:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer(run_info_at_end=True).render(result)
    return str(DefaultJinjaPageView().render(document))
