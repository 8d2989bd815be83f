"""The loss of a row: the absolute error of a number, or the log-loss of a class, in nats."""

import math
import sys
from typing import TYPE_CHECKING, Any

from cyclone.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Prediction = float | dict[str, float]
"""The prediction of one row, as a service answers it: a number, P(true), or a probability for each class."""
LEAST_PROBABILITY = sys.float_info.epsilon
"""The least probability of a class. A class that was thought impossible counts as this likely.

Without it, one wrong row would give an infinite loss. It is the smallest step of a float at 1, as in scikit-learn.
"""
LARGEST, SMALLEST = 1e150, 1e-150
"""The bounds of a number's size. A larger one counts as the largest, and a smaller one as 0.

So neither a square nor a sum overflows. `sql/views/functions/01_bounded_number.sql` has the same numbers.
"""


def bound_number(number: float) -> float:
    """A number within the bounds of `LARGEST` and `SMALLEST`."""
    return 0.0 if abs(number) < SMALLEST else max(-LARGEST, min(LARGEST, number))


def bound_numbers(numbers: "Array") -> "Array":
    """Numbers within the bounds of `LARGEST` and `SMALLEST`."""
    import numpy as np

    return np.where(np.abs(numbers) < SMALLEST, 0.0, np.clip(numbers, -LARGEST, LARGEST))


def measure_losses(spec: ModelSpec, labels: "Array", predictions: "Array") -> "Array":
    """The loss of each row by the task's metric, as an array of one value a row.

    It is |difference| in the label's unit for a regression, else -ln(probability of the true class).
    """
    import numpy as np

    if spec.task == "regression":
        return np.asarray(np.abs(bound_numbers(predictions) - bound_numbers(labels)))
    columns = to_columns(predictions)
    given = columns[np.arange(len(labels)), labels.astype(int)]
    return np.asarray(-np.log(np.clip(given, LEAST_PROBABILITY, 1)))


def to_columns(probabilities: "Array") -> "Array":
    """Probabilities with one column a class. P(true) alone becomes two columns, false and true."""
    import numpy as np

    return probabilities if probabilities.ndim == 2 else np.column_stack([1 - probabilities, probabilities])


def compute_error(label: Any, prediction: Prediction) -> float:
    """The loss of one row, as the SQL of the checks defines it: absolute error of numbers, else log-loss."""
    if isinstance(prediction, dict):
        share = prediction.get(str(label), 0.0)
    elif isinstance(label, bool):
        share = prediction if label else 1 - prediction
    else:
        return abs(bound_number(prediction) - bound_number(float(label)))
    return -math.log(min(1.0, max(share, LEAST_PROBABILITY)))
