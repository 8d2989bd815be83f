import doctest

import cyclone.names
from cyclone.names import is_calibration_of, name_retraining, name_tag, read_incident, read_tag


def test_a_run_is_named_after_an_incident_only_in_the_very_words_that_name_it() -> None:
    assert read_incident("bike_demand", name_retraining("bike_demand", 12)) == 12
    assert read_incident("bike_demand", "retrain__bike_demand__incident_012") is None
    assert read_incident("bike", "retrain__bike_demand__incident_12") is None
    assert read_incident("bike_demand", "retrain__bike_demand__incident_" + "9" * 19) is None


def test_a_tag_tells_its_version_and_other_tags_tell_none() -> None:
    assert read_tag(name_tag(12)) == 12
    assert [read_tag(tag) for tag in ("latest", "v", "v1-c2", "1")] == [None] * 4


def test_a_calibration_is_told_from_the_raw_version_and_from_other_versions() -> None:
    assert is_calibration_of("bike-demand-v1-c2", "bike_demand", 1)
    assert not is_calibration_of("bike-demand-v1", "bike_demand", 1)
    assert not is_calibration_of("bike-demand-v12-c2", "bike_demand", 1)


def test_the_examples_hold() -> None:
    assert doctest.testmod(cyclone.names).attempted == 5
    assert doctest.testmod(cyclone.names).failed == 0
