from typing import Any

from bento_service.schemas import build_label_body, build_predict_answer, build_predict_body
from cyclone.sections import Feature, Label, Serving
from cyclone.spec import ModelSpec

FEATURES = (
    Feature(name="hour", type="integer", range=(0, 23)),
    Feature(name="_wind speed", type="number", nullable=True),
    Feature(name="copy", type="category", values=("a", "b")),
)
LABEL = Label(name="sold", type="boolean", expected_delay_hours=1)
SPEC = ModelSpec(name="shop", task="binary", features=FEATURES, label=LABEL, serving=Serving(max_rows=5))


def read_schema(model: Any) -> Any:
    return model.model_json_schema()


def test_the_published_row_has_the_models_features_whatever_their_names() -> None:
    row = read_schema(build_predict_body(SPEC))["$defs"]["Row"]
    assert row["additionalProperties"] is False
    assert row["required"] == ["hour", "copy"]
    assert row["properties"]["hour"] == {
        "description": "an integer from 0 to 23",
        "maximum": 23.0,
        "minimum": 0.0,
        "title": "hour",
        "type": "integer",
    }
    assert row["properties"]["_wind speed"]["description"] == "a finite number or null"
    assert row["properties"]["copy"]["enum"] == ["a", "b"]


def test_event_times_are_published_only_where_they_are_accepted() -> None:
    replayable = SPEC.model_copy(update={"serving": Serving(accept_created_at=True)})
    assert list(read_schema(build_predict_body(SPEC))["properties"]) == ["rows", "ids"]
    assert list(read_schema(build_predict_body(replayable))["properties"]) == ["rows", "ids", "created_at"]
    assert read_schema(build_predict_body(SPEC))["properties"]["rows"]["maxItems"] == 5


def test_answers_and_labels_are_published_in_the_models_words() -> None:
    answer = read_schema(build_predict_answer(SPEC))
    assert answer["$defs"]["Prediction"]["properties"]["prediction"] == {
        "description": "The probability of sold.",
        "maximum": 1,
        "minimum": 0,
        "title": "Prediction",
        "type": "number",
    }
    entry = read_schema(build_label_body(SPEC))["$defs"]["LabelEntry"]
    assert entry["properties"]["label"]["anyOf"] == [{"type": "boolean"}, {"enum": [0, 1], "type": "integer"}]
    assert entry["required"] == ["id", "label"]
