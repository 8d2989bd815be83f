"""One request to a fitted estimator, answered by the code of the service itself, from a model file as it loads one."""

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclone.errors import ConfigurationError, CycloneError
from cyclone.image_contract import MODEL_PATH
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from training.fit.model_code import describe_error, find_line
from training.tracking.trusted_types import list_trusted, require_trusted

if TYPE_CHECKING:
    from cyclone.losses import Prediction

NO_STORE = "host=none"
"""A store that is never asked, for nothing is logged."""
SHOWN_CHARACTERS = 400
"""The most characters of a row or an answer that a message shows. A row may have thousands of features."""


def ask_service(spec: ModelSpec, estimator: Any, row: Mapping[str, Any]) -> Any:
    """The prediction of a row, as a client of the service gets it. Nothing is logged.

    The estimator is written to a file and loaded again, as it would be in an image. What the service predicts at its
    start is asked too. Errors: `CycloneError` with the reason when the service would not start or not answer.
    """
    from bento_service.bundle import Bundle
    from bento_service.prediction import build_probe_row, predict_rows

    with tempfile.TemporaryDirectory() as folder:
        bundle = Bundle(Path(folder), spec, 1, tuple(list_trusted(spec)))
        _save(spec, estimator, bundle.root / MODEL_PATH)
        loaded = bundle.load_estimator()
        probe = build_probe_row(spec)
        try:
            predict_rows(spec, loaded, [probe])
        except Exception as error:
            words = f"the service would not start: the estimator cannot predict {json.dumps(probe)[:SHOWN_CHARACTERS]}"
            raise ConfigurationError(_explain(spec, words, error)) from error
        return asyncio.run(_ask(spec, partial(predict_rows, spec, loaded), row, Path(folder)))


def _save(spec: ModelSpec, estimator: Any, path: Path) -> None:
    import skops.io

    try:
        require_trusted(spec, estimator)
        path.parent.mkdir()
        skops.io.dump(estimator, path)
    except CycloneError:
        raise
    except Exception as error:
        words = f"{type(estimator).__name__} cannot be written to a file, as a service loads it"
        raise ConfigurationError(_explain(spec, words, error)) from error


async def _ask(spec: ModelSpec, predict: Any, row: Mapping[str, Any], folder: Path) -> Any:
    from bento_service.answering import Answering
    from bento_service.batching import Batcher
    from bento_service.content import Body

    failures: list[Exception] = []
    batcher = Batcher(partial(_predict_or_keep, predict, failures))
    # By the wall clock: a service within a replay would ask its store how far that has come.
    settings = Settings(spool_dir=folder / "spool", store_dsn=NO_STORE, clock="wall")
    answering = Answering.begin(spec, 1, "check", settings, 1, batcher.predict)
    # A rehearsal is answered like any request, but neither logged nor counted.
    response = await answering.predict(Body(json.dumps({"rows": [row]}).encode(), is_rehearsal=True))
    answer = json.loads(bytes(response.body))
    if failures:
        words = f"the service could not answer the row {json.dumps(row)[:SHOWN_CHARACTERS]}"
        raise ConfigurationError(_explain(spec, words, failures[0])) from failures[0]
    if response.status_code != 200:
        raise ConfigurationError(f"{spec.name}: the service refuses a row: {json.dumps(answer)[:SHOWN_CHARACTERS]}")
    return answer["predictions"][0]["prediction"]


def _predict_or_keep(predict: Any, failures: list[Exception], rows: Sequence[Mapping[str, Any]]) -> "list[Prediction]":
    """Predict, and keep an error for the message. The service tells a client nothing of it."""
    try:
        predictions: list[Prediction] = predict(rows)
        return predictions
    except Exception as error:
        failures.append(error)
        raise


def _explain(spec: ModelSpec, words: str, error: Exception) -> str:
    line = find_line(spec, error)
    return f"{spec.name}: {words}. The estimator of pipeline.py fails{line}: {describe_error(error)}. Correct it there"
