"""Class probabilities as log odds, and the maximum likelihood fits of a shift, of a temperature, and of both."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cyclone.losses import to_columns

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SMALLEST_PROBABILITY = 1e-12
"""A smaller probability counts as this one, because the logarithm of 0 is infinite.

It is small enough that a shift of the prior can still tell a surely wrong class from an unlikely one.
"""
SMALLEST_SLOPE = 0.05
"""The smallest slope. With 0 or less a prediction would say nothing, or the opposite."""
LEAST_SLOPE_ROWS = 100
"""A slope is shrunk by at least so many rows. With fewer, the slope of a model with a row a day is mostly chance."""
NEWTON_STEPS = 50
"""The most steps of a fit. It ends the loop where rounding keeps steps above the tolerance."""
NEWTON_TOLERANCE = 1e-10
"""A fit ends with a step below this, in log odds. It is far below any change that shows in a prediction."""


def to_log_odds(probabilities: "Array") -> "Array":
    """The logarithms of class probabilities, one column a class. A probability of 0 gets a finite one."""
    import numpy as np

    return np.asarray(np.log(np.clip(to_columns(probabilities), SMALLEST_PROBABILITY, 1)))


def from_log_odds(log_odds: "Array", dimensions: int) -> "Array":
    """Probabilities, from log odds. One dimension gives P(true), two give one column a class."""
    columns = softmax(log_odds)
    return columns if dimensions == 2 else columns[:, 1]


def softmax(log_odds: "Array") -> "Array":
    """Probabilities from log odds, one row a prediction and one column a class. Each row sums to 1."""
    import numpy as np

    # Without subtracting the maximum, a large value would overflow.
    shares = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def fit_shift(log_odds: "Array", labels: "Array", shrinkage_rows: float) -> tuple[float, ...]:
    """The shift of each class's log odds by maximum likelihood, shrunk towards 0.

    The shrinkage is that of `shrinkage_rows` more rows on which the predictions were right. `log_odds` has one column
    a class, and `labels` holds places of classes.
    """
    import numpy as np

    classes = log_odds.shape[1]
    wanted = np.bincount(labels, minlength=classes)
    # Both lower bounds keep the curvature invertible. They are too small to move a fit on real rows.
    share = np.clip(softmax(log_odds).mean(axis=0), 1e-6, None)
    pull = np.diag(max(shrinkage_rows, 1e-3) * share)

    def slope_and_curvature(shift: "Array") -> "tuple[Array, Array]":
        given = softmax(log_odds + shift)
        curvature = np.diag(given.sum(axis=0)) - given.T @ given + pull
        return wanted - given.sum(axis=0) - pull @ shift, curvature

    return tuple(float(value) for value in _climb(np.zeros(classes), slope_and_curvature))


def fit_temperature(log_odds: "Array", labels: "Array", shrinkage_rows: float) -> tuple[float, ...]:
    """The inverse temperature by maximum likelihood, shrunk towards 1.

    The shrinkage is that of `shrinkage_rows` more rows on which the predictions were right.
    """
    import numpy as np

    # What is fitted is the logarithm of the inverse temperature, which keeps the latter above 0.
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


def fit_shift_and_slope(log_odds: "Array", labels: "Array", shrinkage_rows: float) -> tuple[float, ...]:
    """The shift of each class and one slope of the log odds by maximum likelihood, the slope last.

    The shifts are shrunk towards 0 and the slope towards 1, by `shrinkage_rows` more rows on which the predictions were
    right. For the slope these are `LEAST_SLOPE_ROWS` or more.
    """
    import numpy as np

    classes, weight = log_odds.shape[1], max(shrinkage_rows, 1e-3)
    wanted, raw = np.bincount(labels, minlength=classes), softmax(log_odds)
    spread = float(((raw * log_odds**2).sum(axis=1) - (raw * log_odds).sum(axis=1) ** 2).mean())
    of_slope = max(weight, LEAST_SLOPE_ROWS) * max(spread, 1e-6)
    pull = np.append(weight * np.clip(raw.mean(axis=0), 1e-6, None), of_slope)
    own, plain = float(log_odds[np.arange(len(labels)), labels].sum()), np.append(np.zeros(classes), 1.0)

    def slope_and_curvature(place: "Array") -> "tuple[Array, Array]":
        given = softmax(log_odds * place[-1] + place[:-1])
        mean = (given * log_odds).sum(axis=1)
        slope = np.append(wanted - given.sum(axis=0), own - mean.sum())
        mixed = ((log_odds - mean[:, None]) * given).sum(axis=0)
        curvature = np.zeros((classes + 1, classes + 1))
        curvature[:-1, :-1] = np.diag(given.sum(axis=0)) - given.T @ given
        curvature[:-1, -1] = curvature[-1, :-1] = mixed
        curvature[-1, -1] = float((given * log_odds**2).sum() - (mean**2).sum())
        return slope - pull * (place - plain), curvature + np.diag(pull)

    found = _climb(plain, slope_and_curvature)
    if found[-1] < SMALLEST_SLOPE:
        return *fit_shift(log_odds * SMALLEST_SLOPE, labels, shrinkage_rows), SMALLEST_SLOPE
    return tuple(float(value) for value in found)


def _climb(start: "Array", slope_and_curvature: "Callable[[Array], tuple[Array, Array]]") -> "Array":
    """The maximum of a concave function, by Newton's method.

    Steps are at most 1 in each direction. A longer step could leave the region where the curvature is a good guide.
    """
    import numpy as np

    place = start
    for _ in range(NEWTON_STEPS):
        slope, curvature = slope_and_curvature(place)
        step = np.clip(np.linalg.solve(curvature, slope), -1, 1)
        place = place + step
        if np.abs(step).max() < NEWTON_TOLERANCE:
            break
    return place
