"""The schemas of requests and answers that the service publishes in OpenAPI, with the model's own features."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from cyclone.rows.validation import ID_CHARACTERS, describe_allowed
from cyclone.sections import Feature, Label
from cyclone.spec import ModelSpec

TYPES = {"integer": int, "number": float, "boolean": bool, "category": str, "text": str}
Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS)]


def build_predict_body(spec: ModelSpec) -> type[BaseModel]:
    """The body of POST /predict: rows with the model's features, and ids and event times if the client sends them."""
    features: dict[str, Any] = {
        f"feature_{number}": _build_field(feature, feature.name) for number, feature in enumerate(spec.features)
    }
    row = create_model("Row", __config__=ConfigDict(extra="forbid"), **features)
    body: dict[str, Any] = {
        "rows": _build_list(row, spec),
        "ids": (
            list[Id] | None,
            Field(None, description="Your ids, one for each row. Without them the service makes ids."),
        ),
    }
    if spec.serving.accept_created_at:
        words = "When each row happened, with a time zone. Without it a row is dated when it arrives."
        body["created_at"] = (list[datetime] | None, Field(None, description=words))
    return create_model("PredictBody", **body)


def build_predict_answer(spec: ModelSpec) -> type[BaseModel]:
    """The answer of POST /predict: the model, its version and revision, and one prediction for each row."""
    kinds: dict[str, Any] = {
        "regression": (float, Field(description=f"The predicted {spec.label.name}.")),
        "binary": (float, Field(ge=0, le=1, description=f"The probability of {spec.label.name}.")),
        "multiclass": (dict[str, float], Field(description=f"The probability of each {spec.label.name}.")),
    }
    item: Any = create_model("Prediction", id=(str, ...), prediction=kinds[spec.task])
    return create_model(
        "PredictAnswer",
        model=(str, ...),
        version=(int, ...),
        revision=(str, ...),
        predictions=(list[item], ...),
    )


def build_label_body(spec: ModelSpec) -> type[BaseModel]:
    """The body of POST /labels: the true values, each with the id of its prediction."""
    entry = create_model(
        "LabelEntry",
        __config__=ConfigDict(extra="forbid"),
        id=(Id, ...),
        field=_build_field(spec.label, "label"),
        observed_at=(
            datetime | None,
            Field(None, description="When the label became known, with a time zone. Without it, when it arrives."),
        ),
    )
    return create_model("LabelBody", labels=_build_list(entry, spec))


class LabelAnswer(BaseModel):
    """The number of labels that were kept, and of those for which no prediction is stored so far."""

    accepted: int
    unknown_so_far: int


def _build_list(entry: Any, spec: ModelSpec) -> Any:
    return (list[entry], Field(min_length=1, max_length=spec.serving.max_rows))


def _build_field(field: Feature | Label, name: str) -> Any:
    """A field's type and description. Its name is an alias, for a feature's name need not be one in Python."""
    kind: Any = Literal[field.values] if field.values else TYPES[field.type]
    if isinstance(field, Label) and field.type == "boolean":
        kind = bool | Literal[0, 1]
    lower, upper = field.range or (None, None)
    words = describe_allowed(field)
    if isinstance(field, Feature) and field.nullable:
        bounded = Annotated[kind, Field(ge=lower, le=upper)]
        return (bounded | None, Field(None, alias=name, title=field.name, description=words))
    return (kind, Field(alias=name, title=field.name, description=words, ge=lower, le=upper))
