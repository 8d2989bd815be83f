"""The validation of a dataset before anything is trained on it, by Great Expectations made from model.yaml."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError, DataError
from cyclone.rows.frames import find_dtype
from cyclone.sections import Feature, Label
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.wording import count_of
from training.data.dataset import Dataset, read_dataset
from training.data.handover import share_files
from training.fit.model_code import load_function
from training.tracking.client import connect
from training.tracking.runs import (
    EXPECTATIONS_FILE,
    PASSED,
    TAG_CHARACTERS,
    VALIDATION_FILES,
    VALIDATION_PAGE,
    VALIDATION_RESULT,
    VALIDATION_TAG,
    find_finished_run,
    find_page,
    open_run,
)

PAGE = f"data/{VALIDATION_PAGE}"
"""The path of the page among the artifacts of its MLflow run."""
PAGE_TEMPLATE = Path(__file__).with_name("validation_page.html")
# A failure names so many rows. They show what is wrong, and the page has the others.
SHOWN_ROWS = 5
REPEATS_SHARE = 0.01
"""The share of rows equal to another in every value above which a warning is given.

Rows of few categories repeat each other honestly, so a warning stops nothing. `training.data.dataset.REPEATED_SHARE` is
the share above which a dataset is refused.
"""
Expectation = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class ValidationReport:
    """The result of a validation.

    `success` says whether every critical expectation is met. `expectations` is the number of all.
    `mlflow_run_id` is the MLflow run that keeps the page. `page` is the page's address today, for people to open.
    MLflow may have another address tomorrow.
    `failures` and `warnings` are failed expectations in words. Only failures stop a retraining.
    """

    success: bool
    expectations: int
    mlflow_run_id: str
    page: str
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def validate_dataset(settings: Settings, spec: ModelSpec, dataset: Dataset, run_id: str) -> ValidationReport:
    """Validate a dataset by its model.yaml and the model's own expectations.py.

    The MLflow run of the retraining keeps `validation.json` and `validation.html`. It is marked as failed if the
    dataset fails. A failure names the expectation, its column, and its first rows by their ids.
    Errors: `ConfigurationError` when expectations.py is not usable.
    """
    text = json.dumps(_run_suite(settings, spec, dataset).to_json_dict(), indent=2)
    outcome = json.loads(text)
    folder = Path(dataset.path).parent
    (folder / VALIDATION_RESULT).write_text(text)
    (folder / VALIDATION_PAGE).write_text(_render(spec, outcome))
    share_files(settings, folder, VALIDATION_FILES)
    failed = [item for item in outcome["results"] if not item["success"]]
    is_critical = [item["expectation_config"].get("severity", "critical") == "critical" for item in failed]
    failures = tuple(
        describe_failed_expectation(item) for item, stops in zip(failed, is_critical, strict=True) if stops
    )
    warnings = tuple(
        describe_failed_expectation(item) for item, stops in zip(failed, is_critical, strict=True) if not stops
    )
    client = connect(settings)
    kept_by = _keep(settings, client, spec, dataset, run_id, failures)
    page = find_page(settings, client, kept_by, PAGE)
    return ValidationReport(not failures, len(outcome["results"]), kept_by, page, failures, warnings)


def check_report(spec: ModelSpec, report: ValidationReport) -> ValidationReport:
    """The report, if its data are valid.

    Errors: `DataError` with every failure, and the MLflow run that keeps the page.
    """
    if not report.success:
        count = count_of(len(report.failures), "expectation")
        page = f"See {PAGE} of MLflow run {report.mlflow_run_id}"
        raise DataError("\n".join([f"{spec.name}: the rows do not meet {count}", *report.failures, page]))
    return report


def list_assertions(dataset: Dataset) -> list[tuple[str | None, str, bool]]:
    """The expectations of a validated dataset: the column, the type of expectation, and whether it was met.

    The column is None for an expectation of the whole dataset.
    """
    outcome = json.loads((Path(dataset.path).parent / VALIDATION_RESULT).read_text())
    configured = [(item["expectation_config"], item["success"]) for item in outcome["results"]]
    return [(config["kwargs"].get("column"), config["type"], success) for config, success in configured]


def list_expectations(spec: ModelSpec) -> list[Expectation]:
    """The expectations that follow from the spec, as types of Great Expectations with their arguments."""
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


def describe_failed_expectation(result: dict[str, Any]) -> str:
    """One failed expectation in words: its type, column and bounds, and its first rows with their values."""
    kwargs = dict(result["expectation_config"]["kwargs"])
    kwargs.pop("batch_id", None)
    column = kwargs.pop("column", None)
    bounds = ", ".join(f"{name} {value}" for name, value in kwargs.items() if value is not None)
    kind = result["expectation_config"]["type"]
    head = f"{kind} failed for {column or 'the table'}" + (f" ({bounds})" if bounds else "")
    outcome = result["result"]
    rows = outcome.get("unexpected_index_list") or []
    if not rows:
        return f"{head}: {outcome.get('observed_value', _find_message(result['exception_info']))}"
    shown = ", ".join(_describe_row(row, column) for row in rows[:SHOWN_ROWS])
    more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
    return f"{head}: row {shown}{more}"


def _describe_row(row: dict[str, Any], column: str | None) -> str:
    if column is not None:
        return f"{row['id']} = {_show(row.get(column))}"
    values = ", ".join(f"{name} = {_show(value)}" for name, value in sorted(row.items()) if name != "id")
    return f"{row['id']} ({values})" if values else str(row["id"])


def _find_message(info: dict[str, Any]) -> str:
    """Why an expectation could not be evaluated. Great Expectations says it once, or once for each metric."""
    found = [info] if "exception_message" in info else list(info.values())
    return next((str(item["exception_message"]) for item in found if item.get("exception_message")), "no reason told")


def _show(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)  # a NumPy number would show its type


def _expect_bounds(field: Feature | Label, column: str) -> list[Expectation]:
    if field.range is not None:
        bounds = {"column": column, "min_value": field.range[0], "max_value": field.range[1]}
        return [("expect_column_values_to_be_between", bounds)]
    if field.values is not None:
        return [("expect_column_values_to_be_in_set", {"column": column, "value_set": list(field.values)})]
    return []


def _run_suite(settings: Settings, spec: ModelSpec, dataset: Dataset) -> Any:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("retraining").add_dataframe_asset(spec.name)
    batch = asset.add_batch_definition_whole_dataframe(Path(dataset.path).parent.name)
    suite = context.suites.add(build_suite(settings, spec))
    definition = gx.ValidationDefinition(name=spec.name, data=batch, suite=suite)
    return context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": read_dataset(spec, dataset)},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]},
    )


def build_suite(settings: Settings, spec: ModelSpec) -> Any:
    """The `ExpectationSuite` of a model: the expectations of its model.yaml, and those of its expectations.py.

    The function `extend_suite(suite)` of expectations.py adds the model's own.
    Errors: `ConfigurationError` quoting what is wrong with expectations.py.
    """
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    configured = [ExpectationConfiguration(type=kind, kwargs=kwargs) for kind, kwargs in list_expectations(spec)]
    values = {"column_list": [*spec.feature_names, "created_at", "label"], "mostly": 1 - REPEATS_SHARE}
    configured.append(
        ExpectationConfiguration(
            type="expect_compound_columns_to_be_unique", kwargs=values, severity=FailureSeverity.WARNING
        )
    )
    suite = gx.ExpectationSuite(spec.name, expectations=configured)
    path = settings.models_dir / spec.name / EXPECTATIONS_FILE
    if not path.is_file():
        return suite
    extend = load_function(path, f"models.{spec.name}.expectations", "extend_suite")
    try:
        extend(suite)
    except Exception as error:
        raise ConfigurationError(f"{path}: extend_suite(suite) failed with {error!r}. Correct it there") from error
    return suite


def _keep(
    settings: Settings, client: Any, spec: ModelSpec, dataset: Dataset, run_id: str, failures: Sequence[str]
) -> str:
    """Keep the page in the MLflow run of the retraining, and return the run's id.

    A training that has finished on these data keeps the page already.
    """
    done = find_finished_run(client, spec, dataset, run_id)
    if done is not None:
        return str(done.info.run_id)
    opened = open_run(settings, spec, dataset, run_id)
    for name in VALIDATION_FILES:
        client.log_artifact(opened, str(Path(dataset.path).parent / name), "data")
    client.set_tag(opened, VALIDATION_TAG, "\n".join(failures)[:TAG_CHARACTERS] or PASSED)
    if failures:
        client.set_terminated(opened, "FAILED")
    return opened


def _render(spec: ModelSpec, outcome: dict[str, Any]) -> str:
    """The page of a validation's result, as HTML.

    `outcome` went through JSON before, because the renderers of Great Expectations 1.24 do not show NumPy's numbers.
    The template is our own. That of Great Expectations loads styles, scripts and a logo from eight hosts, and all of
    them learn who opens it.
    """
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    result = expectationSuiteValidationResultSchema.load(outcome)
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(result)
    view = DefaultJinjaPageView(custom_views_directory=str(PAGE_TEMPLATE.parent))
    return str(view.render(document, template=PAGE_TEMPLATE.name, model=spec.name))
