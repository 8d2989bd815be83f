"""Class probabilities as log odds: how they are moved, and the maximum likelihood fits of a shift and a temperature."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cyclone.losses import to_columns

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SMALLEST_PROBABILITY = 1e-12
NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-10


def to_log_odds(probabilities: "Array") -> "Array":
    """A column a class; a probability of 0 stays finite."""
    import numpy as np

    return np.asarray(np.log(np.clip(to_columns(probabilities), SMALLEST_PROBABILITY, 1)))


def from_log_odds(log_odds: "Array", dimensions: int) -> "Array":
    """Probabilities of as many dimensions as they had before."""
    columns = softmax(log_odds)
    return columns if dimensions == 2 else columns[:, 1]


def softmax(log_odds: "Array") -> "Array":
    """Probabilities, one column a class."""
    import numpy as np

    shares = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def fit_shift(log_odds: "Array", labels: "Array", shrinkage_rows: float) -> tuple[float, ...]:
    """Maximum likelihood of a shift a class, held near 0 as by `shrinkage_rows` rows on which it was right."""
    import numpy as np

    classes = log_odds.shape[1]
    wanted = np.bincount(labels, minlength=classes)
    share = np.clip(softmax(log_odds).mean(axis=0), 1e-6, None)
    pull = np.diag(max(shrinkage_rows, 1e-3) * share)

    def slope_and_curvature(shift: "Array") -> "tuple[Array, Array]":
        given = softmax(log_odds + shift)
        curvature = np.diag(given.sum(axis=0)) - given.T @ given + pull
        return wanted - given.sum(axis=0) - pull @ shift, curvature

    return tuple(float(value) for value in _climb(np.zeros(classes), slope_and_curvature))


def fit_temperature(log_odds: "Array", labels: "Array", shrinkage_rows: float) -> tuple[float, ...]:
    """The logarithm of the inverse temperature by maximum likelihood, so that it stays above 0; held near 0."""
    import numpy as np

    own = log_odds[np.arange(len(labels)), labels]
    given = softmax(log_odds)
    spread = float(((given * log_odds**2).sum(axis=1) - (given * log_odds).sum(axis=1) ** 2).mean())
    pull = max(shrinkage_rows, 1e-3) * max(spread, 1e-6)

    def slope_and_curvature(exponent: "Array") -> "tuple[Array, Array]":
        scale = float(np.exp(exponent[0]))
        given = softmax(log_odds * scale)
        mean = (given * log_odds).sum(axis=1)
        variance = (given * log_odds**2).sum(axis=1) - mean**2
        slope = scale * float((own - mean).sum()) - pull * exponent[0]
        return np.array([slope]), np.array([[scale**2 * float(variance.sum()) + pull]])

    return (float(np.exp(_climb(np.zeros(1), slope_and_curvature)[0])),)


def _climb(start: "Array", slope_and_curvature: "Callable[[Array], tuple[Array, Array]]") -> "Array":
    """Newton's method with steps of at most 1, on a concave function."""
    import numpy as np

    place = start
    for _ in range(NEWTON_STEPS):
        slope, curvature = slope_and_curvature(place)
        step = np.clip(np.linalg.solve(curvature, slope), -1, 1)
        place = place + step
        if np.abs(step).max() < NEWTON_TOLERANCE:
            break
    return place
