"""The original design: a stock BentoML service that inserts each prediction with one synchronous ORM call."""

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import skops.io
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ROOT = Path.cwd()
WEATHER = {"clear": 0, "cloudy/misty": 1, "light rain/snow": 2, "heavy rain/snow": 3}
VERSION = json.loads((ROOT / "release.json").read_text())


class Base(DeclarativeBase):
    pass


class Prediction(Base):
    __tablename__ = "prediction"
    id: Mapped[str] = mapped_column(primary_key=True)
    input: Mapped[dict[str, Any]] = mapped_column(JSONB)
    prediction: Mapped[float] = mapped_column(JSONB)
    model_id: Mapped[str]
    label: Mapped[float | None] = mapped_column(JSONB)
    created_at: Mapped[datetime]


@bentoml.service
class OriginalDesign:
    """The service. It predicts rows and inserts each in a transaction of its own, on a pooled connection."""

    def __init__(self) -> None:
        self.estimator = skops.io.load(ROOT / "model" / "model.skops", trusted=VERSION["trusted_types"])
        self.engine = create_engine(os.environ["ORIGINAL_DSN"])
        Base.metadata.create_all(self.engine)

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        encoded = [list({**row, "weather": WEATHER[row["weather"]]}.values()) for row in rows]
        values = self.estimator.predict(np.array(encoded, dtype="float64")).tolist()
        predictions = [{"id": str(uuid.uuid4()), "prediction": value} for value in values]
        with Session(self.engine) as session:
            for row, item in zip(rows, predictions, strict=True):
                session.add(
                    Prediction(
                        id=item["id"],
                        input=row,
                        prediction=item["prediction"],
                        model_id=str(VERSION["version"]),
                        label=None,
                        created_at=datetime.now(UTC).replace(tzinfo=None),
                    )
                )
                session.commit()
        return {"predictions": predictions}
