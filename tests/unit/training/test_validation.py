from cyclone.spec import ModelSpec
from training.validation import describe_failed_expectation, list_expectations


def test_a_spec_becomes_types_ranges_values_and_nulls() -> None:
    spec = ModelSpec.model_validate(
        {
            "name": "toy",
            "task": "regression",
            "features": [
                {"name": "hour", "type": "integer", "range": [0, 23]},
                {"name": "sky", "type": "category", "values": ["clear", "grey"], "nullable": True},
            ],
            "label": {"name": "y", "type": "number", "range": [0, 9], "expected_delay_hours": 0},
            "retrain": {"minimum_rows": 50},
        }
    )
    assert list_expectations(spec) == [
        ("expect_table_row_count_to_be_between", {"min_value": 50}),
        ("expect_column_values_to_be_unique", {"column": "id"}),
        ("expect_column_values_to_not_be_null", {"column": "created_at"}),
        ("expect_column_values_to_not_be_null", {"column": "label"}),
        ("expect_column_values_to_not_be_null", {"column": "hour"}),
        ("expect_column_values_to_be_of_type", {"column": "hour", "type_": "int64"}),
        ("expect_column_values_to_be_between", {"column": "hour", "min_value": 0.0, "max_value": 23.0}),
        ("expect_column_values_to_be_in_set", {"column": "sky", "value_set": ["clear", "grey"]}),
        ("expect_column_values_to_be_between", {"column": "label", "min_value": 0.0, "max_value": 9.0}),
    ]


def test_a_failure_names_expectation_column_and_the_first_rows() -> None:
    kwargs = {"batch_id": "b", "column": "hour", "min_value": 0.0, "max_value": 23.0}
    failed = {
        "expectation_config": {"type": "expect_column_values_to_be_between", "kwargs": kwargs},
        "result": {"unexpected_index_list": [{"id": f"row-{place}", "hour": 24} for place in range(7)]},
        "exception_info": {},
    }
    assert describe_failed_expectation(failed) == (
        "expect_column_values_to_be_between failed for hour (min_value 0.0, max_value 23.0): row row-0 = 24, "
        "row-1 = 24, row-2 = 24, row-3 = 24, row-4 = 24 and 2 more"
    )


def test_a_failure_of_the_whole_table_shows_what_was_seen() -> None:
    failed = {
        "expectation_config": {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 50}},
        "result": {"observed_value": 3},
        "exception_info": {},
    }
    assert (
        describe_failed_expectation(failed)
        == "expect_table_row_count_to_be_between failed for the table (min_value 50): 3"
    )
