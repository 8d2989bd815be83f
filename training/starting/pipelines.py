"""The text of a first `pipeline.py`: an estimator that suits the task, the features and the number of rows."""

from collections.abc import Sequence

from training.starting.features import FeatureGuess

FEW_ROWS = 1000
"""With fewer rows, boosted trees learn chance. A forest of small trees is steadier."""


def write_pipeline(
    name: str, task: str, features: Sequence[FeatureGuess], rows: int, is_count: bool
) -> tuple[str, str]:
    """The file's text, and the value of `inputs` in model.yaml that goes with it."""
    texts = [item.name for item in features if item.keys["type"] == "text"]
    if not texts:
        return _write(name, *_choose_trees(task, rows, is_count)), "matrix"
    wide = [item.name for item in features if item.is_wide]
    return _write_columns(name, task, features, texts, wide), "frame"


def _choose_trees(task: str, rows: int, is_count: bool) -> tuple[str, str, str, str]:
    kind = "Regressor" if task == "regression" else "Classifier"
    if rows < FEW_ROWS:
        words = f"a forest of small trees, as {rows:,} rows are few"
        return words, "sklearn.ensemble", f"RandomForest{kind}", "n_estimators=50, min_samples_leaf=3, random_state=0"
    loss = 'loss="poisson", ' if is_count else ""
    words = "gradient-boosted trees" + (" with a Poisson loss, as the label is a count" if is_count else "")
    return words, "sklearn.ensemble", f"HistGradientBoosting{kind}", f"{loss}random_state=0"


def _write(name: str, words: str, module: str, estimator: str, arguments: str) -> str:
    return f'''"""The estimator of `{name}`: {words}."""

from typing import Any


def build_estimator() -> Any:
    """A new unfitted estimator for the features of model.yaml, in their order.

    Each training fits its own. An empty cell is NaN, and a category is its place in `values`.
    """
    from {module} import {estimator}

    return {estimator}({arguments})
'''


def _write_columns(
    name: str, task: str, features: Sequence[FeatureGuess], texts: Sequence[str], wide: Sequence[str]
) -> str:
    """A linear model on sparse columns, which takes words and thousands of names."""
    by_kind = {kind: [item.name for item in features if item.keys["type"] == kind] for kind in ("category", "boolean")}
    numbers = [item.name for item in features if item.keys["type"] in ("integer", "number", "boolean")]
    names = [*by_kind["category"], *wide]
    sentences = [text for text in texts if text not in wide]
    steps = [f'        ("words_{place}", TfidfVectorizer(min_df=2), {text!r}),' for place, text in enumerate(sentences)]
    if names:
        steps.append(f'        ("names", OneHotEncoder(handle_unknown="ignore", min_frequency=2), {names!r}),')
    if numbers:
        steps.append(f'        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), {numbers!r}),')
    estimator = "Ridge" if task == "regression" else "LogisticRegression"
    arguments = "" if task == "regression" else "max_iter=1000"
    imports = ["from sklearn.compose import ColumnTransformer"]
    imports += ["from sklearn.feature_extraction.text import TfidfVectorizer"] if sentences else []
    imports += ["from sklearn.impute import SimpleImputer"] if numbers else []
    imports += [f"from sklearn.linear_model import {estimator}", "from sklearn.pipeline import make_pipeline"]
    encoders = [*(["OneHotEncoder"] if names else []), *(["StandardScaler"] if numbers else [])]
    imports += [f"from sklearn.preprocessing import {', '.join(encoders)}"] if encoders else []
    lines = "\n    ".join(imports)
    return f'''"""The estimator of `{name}`: a linear model of words, names and numbers."""

from typing import Any


def build_estimator() -> Any:
    """A new unfitted estimator for the features of model.yaml. Each training fits its own."""
    {lines}

    columns = [
{chr(10).join(steps)}
    ]
    return make_pipeline(ColumnTransformer(columns), {estimator}({arguments}))
'''
