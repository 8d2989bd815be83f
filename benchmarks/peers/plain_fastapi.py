"""Plain FastAPI with the same model: a typed body, a pandas frame, no ids, no log, no metrics."""

import json
from pathlib import Path

import pandas as pd
import skops.io
from fastapi import FastAPI
from pydantic import BaseModel

ROOT = Path.cwd()
ESTIMATOR = skops.io.load(
    ROOT / "model" / "model.skops", trusted=json.loads((ROOT / "release.json").read_text())["trusted_types"]
)
app = FastAPI()


class Row(BaseModel):
    hour: int
    weekday: int
    workingday: bool
    holiday: bool
    season: int
    weather: str
    temperature: float
    humidity: float
    wind: float


class Body(BaseModel):
    rows: list[Row]


@app.get("/readyz")
async def readyz() -> dict[str, str]:
    return {}


@app.post("/predict")
async def predict(body: Body) -> dict[str, list[float]]:
    frame = pd.DataFrame([row.model_dump() for row in body.rows])
    return {"predictions": ESTIMATOR.predict(frame).tolist()}
