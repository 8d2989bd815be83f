"""Synthetic worlds whose truth is known, for `make bench-policy`.

Three features, a linear truth, and a linear model that could know it. What drifts is told by the world's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyclone.spec import ModelSpec
from training.backtest.history import History, build_history

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

ROWS_A_DAY = 24
FIRST_DAYS = 60
"""The days before the replay."""
BEFORE, AFTER = (2.0, 1.0, 0.0), (0.0, 1.0, -2.0)
"""How the label follows from the features, in the two concepts between which a world may move."""
CLASSES = ("low", "middle", "high")


@dataclass(frozen=True)
class PolicyWorld:
    """What changes in a world, for a task.

    `concept` is the share of the second concept on each day, where the replay's days count from 0 to 1. `noise` is the
    spread of what nobody can know, `level` is added to the label or to the log odds, and `shift` moves the third
    feature, which has no effect in the first concept.
    """

    name: str
    task: str
    concept: "Callable[[Array], Array] | None" = None
    noise: "Callable[[Array], Array] | None" = None
    level: "Callable[[Array], Array] | None" = None
    shift: "Callable[[Array], Array] | None" = None


def jump(time: "Array") -> "Array":
    """Nothing until a third of the replay, then all."""
    import numpy as np

    return np.asarray(time >= 1 / 3, dtype=float)


def climb(time: "Array") -> "Array":
    """From nothing to all in even steps, from the replay's start to its end."""
    import numpy as np

    return np.clip(time, 0, 1)


def recur(time: "Array") -> "Array":
    """All in the second and the fourth fifth of the replay."""
    import numpy as np

    return np.asarray((time >= 0) & (5 * time // 1 % 2 == 1), dtype=float)


TASKS = ("regression", "binary", "multiclass")
WORLDS = (
    *(PolicyWorld("abrupt", task, concept=jump) for task in TASKS),
    *(PolicyWorld("gradual", task, concept=climb) for task in TASKS),
    *(PolicyWorld("recurring", task, concept=recur) for task in TASKS),
    PolicyWorld("variance only", "regression", noise=jump),
    PolicyWorld("label shift", "regression", level=jump),
    PolicyWorld("label shift", "binary", level=jump),
    *(PolicyWorld("covariate shift without effect", task, shift=jump) for task in TASKS),
    *(PolicyWorld("nothing", task) for task in TASKS),
)


def draw_world(world: PolicyWorld, days: int, seed: int) -> History:
    """The rows of `FIRST_DAYS` days and of the `days` days of the replay."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng([seed, TASKS.index(world.task)])
    count = ROWS_A_DAY * (FIRST_DAYS + days)
    time = (np.arange(count) // ROWS_A_DAY - FIRST_DAYS) / days
    features = rng.normal(0, 1, (count, 3))
    features[:, 2] += _follow(world.shift, time)
    share = _follow(world.concept, time)[:, None]
    score = (features * ((1 - share) * BEFORE + share * np.array(AFTER))).sum(axis=1) + _follow(world.level, time)
    # Days differ by chances that their rows share.
    score += np.repeat(rng.normal(0, 0.2, FIRST_DAYS + days), ROWS_A_DAY)
    frame = pd.DataFrame(features, columns=["a", "b", "c"])
    frame["created_at"] = pd.date_range("2020-01-01", periods=count, freq="h", tz="UTC")
    frame["label"] = draw_labels(rng, world, score, 1 + _follow(world.noise, time))
    return build_history(build_spec(world), frame)


def draw_labels(rng: "np.random.Generator", world: PolicyWorld, score: "Array", spread: "Array") -> "pd.Series[Any]":
    """A regression's label is the score with noise. A class is drawn by the score as log odds."""
    import numpy as np
    import pandas as pd

    if world.task == "regression":
        return pd.Series(score + rng.normal(0, 1, len(score)) * spread)
    drawn = score + rng.logistic(0, 1, len(score))
    if world.task == "binary":
        return pd.Series(drawn > 0)
    return pd.Series(np.select([drawn < -1, drawn < 1], CLASSES[:2], CLASSES[2]).astype(object))


def build_spec(world: PolicyWorld) -> ModelSpec:
    """The model of a world, with the default policy. Labels come a day late."""
    kind = {"regression": "number", "binary": "boolean", "multiclass": "category"}[world.task]
    label = {"name": "y", "type": kind, "expected_delay_hours": 24}
    data = {
        "name": "world",
        "task": world.task,
        "features": [{"name": name, "type": "number"} for name in "abc"],
        "inputs": "matrix",
        "label": label | ({"values": list(CLASSES)} if world.task == "multiclass" else {}),
    }
    return ModelSpec.model_validate(data)


def build_linear() -> Any:
    """A linear regression."""
    from sklearn.linear_model import Ridge

    return Ridge()


def build_logistic() -> Any:
    """A logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def _follow(change: "Callable[[Array], Array] | None", time: "Array") -> "Array":
    import numpy as np

    return np.asarray(np.zeros(len(time)) if change is None else change(time))
