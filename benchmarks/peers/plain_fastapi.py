"""Plain FastAPI with the same model: a typed body and an array, without ids, log and metrics."""

import json
from pathlib import Path

import numpy as np
import skops.io
from fastapi import FastAPI
from pydantic import BaseModel

ROOT = Path.cwd()
ESTIMATOR = skops.io.load(
    ROOT / "model" / "model.skops", trusted=json.loads((ROOT / "release.json").read_text())["trusted_types"]
)
WEATHER = {"clear": 0, "cloudy/misty": 1, "light rain/snow": 2, "heavy rain/snow": 3}
app = FastAPI()


class PlainRow(BaseModel):
    hour: int
    weekday: int
    workingday: bool
    holiday: bool
    season: int
    weather: str
    temperature: float
    humidity: float
    wind: float


class PlainBody(BaseModel):
    rows: list[PlainRow]


@app.get("/readyz")
async def readyz() -> dict[str, str]:
    return {}


@app.post("/predict")
async def predict(body: PlainBody) -> dict[str, list[float]]:
    rows = [list({**row.model_dump(), "weather": WEATHER[row.weather]}.values()) for row in body.rows]
    return {"predictions": ESTIMATOR.predict(np.array(rows, dtype="float64")).tolist()}
