"""An ONNX model as an estimator: a file that is there, or one that a function makes anew in each training."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError, DataError

Train = Callable[[Any, Any], "bytes | str | os.PathLike[str]"]
"""A function of features and labels that makes a model: the content of an ONNX file, or the path of one."""
TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(bool)": "bool"}
"""The NumPy dtype of an input, by its type in ONNX. Any other input is given objects, as a text."""


class OnnxModel:
    """An ONNX model, of a `file` or made by `train`. One of the two is given.

    The model takes one input of shape (rows, features), or one of shape (rows, 1) for each feature, by its name. A
    regression's first output is its values. A classifier's last output is its probabilities.

    A `file` stays as it is in each training. Its error on the history may look better than it is: nobody knows which
    rows it has learned from. With `train`, a retraining makes a new file.
    """

    def __init__(self, file: "str | os.PathLike[str] | None" = None, train: Train | None = None) -> None:
        if (file is None) == (train is None):
            raise ConfigurationError("OnnxModel: one of file and train is needed. Give it the other way in pipeline.py")
        self._file, self._train = file, train
        self._session: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """What a model's file keeps: the content, never the function that made it."""
        return {"content": self.content_, "classes": self.classes_}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.content_, self.classes_ = state["content"], state["classes"]
        self._file = self._train = self._session = None

    def fit(self, features: Any, labels: Any) -> "OnnxModel":
        """Make the model, or read it from its file. Errors: `ConfigurationError` when it is no ONNX model."""
        import numpy as np

        made = self._train(features, labels) if self._train else self._file
        self.content_ = made if isinstance(made, bytes) else _read(Path(made))  # type: ignore[arg-type]
        self.classes_ = np.unique(np.asarray(labels))
        self._session = None
        self._run(features[:1])
        return self

    def predict(self, features: Any) -> Any:
        """The values of a regression, shape (rows,). For a classifier, the likeliest class of each row."""
        import numpy as np

        outputs = self._run(features)
        if len(outputs) > 1:
            return self.classes_[self._read_probabilities(outputs[-1], len(features)).argmax(axis=1)]
        values = np.asarray(outputs[0])
        if values.size != len(features):
            raise DataError(
                f"the ONNX model gives values of shape {values.shape} for {len(features)} rows. One a row is needed"
            )
        return values.reshape(len(features))

    def predict_proba(self, features: Any) -> Any:
        """The probability of each class, shape (rows, classes), in the order of `classes_`."""
        return self._read_probabilities(self._run(features)[-1], len(features))

    def _read_probabilities(self, found: Any, rows: int) -> Any:
        import numpy as np

        names = self.classes_.tolist()
        if isinstance(found, list):  # a map for each row, as converters write by default
            if other := [list(row) for row in found if row.keys() != {*names}]:
                raise DataError(
                    f"the ONNX model knows the classes {other[0]}, and the labels are {names}. Bring one with these"
                )
            found = [[row[name] for name in names] for row in found]
        table = np.asarray(found)
        if table.size == rows and len(names) == 2:
            table = np.column_stack([1 - table.reshape(rows), table.reshape(rows)])
        if table.shape != (rows, len(names)):
            raise DataError(
                f"the ONNX model gives probabilities of shape {table.shape} for {rows} rows with labels {names}."
                f" ({rows}, {len(names)}) is needed, in the labels' sorted order"
            )
        return table

    def _run(self, features: Any) -> list[Any]:
        self._session = self._session or _open(self.content_)
        try:
            outputs: list[Any] = self._session.run(None, _feed(self._session.get_inputs(), features))
        except Exception as error:  # onnxruntime's own errors share no other class
            raise DataError(_describe(self._session.get_inputs(), features, error)) from error
        return outputs


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the ONNX file cannot be read: {error.strerror}. Name another in pipeline.py"
        ) from error


def _open(content: bytes) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ConfigurationError("onnxruntime is not installed. Run pip install 'cyclone-mlops[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same sums on any number of cores
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigurationError(f"{len(content)} bytes are no ONNX model that onnxruntime can run: {error}") from error


def _feed(inputs: Any, features: Any) -> dict[str, Any]:
    """The inputs of the model by name: the whole matrix, or a column for each."""
    import numpy as np

    if len(inputs) == 1 and not (hasattr(features, "columns") and [inputs[0].name] == list(features.columns)):
        return {inputs[0].name: np.asarray(features, dtype=TYPES.get(inputs[0].type, "object"))}
    columns = {each.name: np.asarray(features[each.name]).reshape(-1, 1) for each in inputs}
    return {each.name: columns[each.name].astype(TYPES.get(each.type, "object")) for each in inputs}


def _describe(inputs: Any, features: Any, error: Exception) -> str:
    taken = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
    given = f"{features.shape[1]} features"
    given += f" ({', '.join(map(str, features.columns))})" if hasattr(features, "columns") else ""
    return f"the ONNX model takes {taken}, and model.yaml has {given}. Make them agree: {' '.join(str(error).split())}"
