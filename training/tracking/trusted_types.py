"""The types that a model's file may hold. They come from reviewed source, never from the file or from MLflow.

skops builds an object only of a type that is trusted, so whoever names the types decides what a service executes.
"""

from typing import Any

from cyclone.errors import DataError
from cyclone.spec import ModelSpec

# Read in scikit-learn 1.7: each keeps numbers, arrays and other objects of this list, and calls nothing that the file
# could name. `functools.partial` calls a function, which skops asks about by itself. Every estimator of scikit-learn
# that skops can save was fitted with its defaults, and these are the types that skops did not know.
KNOWN_TYPES = (
    "builtins.object",
    "cyclone.estimators.encoded_labels.EncodedLabels",
    "cyclone.estimators.onnx_model.OnnxModel",
    "functools.partial",
    "numpy.dtype",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
)
# Read in XGBoost 3.2 and LightGBM 4.7: an estimator keeps its parameters and a Booster. A Booster keeps its trees in
# the library's own binary form or text, which the library parses. Nothing of it is called. A loss that is a function
# of pipeline.py is a type of its own, and is asked about.
BOOSTED_TREES = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
    "xgboost.sklearn.XGBRegressor",
)


def list_trusted(spec: ModelSpec) -> list[str]:
    """The types that a file of this model may hold, beyond those that skops trusts by itself.

    `spec` has to be the model.yaml of the models' folder. What MLflow keeps of a training is no reviewed source.
    """
    return sorted({*KNOWN_TYPES, *BOOSTED_TREES, *spec.trusted_types})


def list_types(estimator: Any) -> list[str]:
    """The types of a fitted estimator that skops does not trust by itself, by their full names."""
    import skops.io

    found: list[str] = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    return found


def require_trusted(spec: ModelSpec, estimator: Any) -> list[str]:
    """The types of a fitted estimator that skops does not trust by itself.

    Errors: `DataError` naming the types that model.yaml has to list before the estimator can be kept.
    """
    found = list_types(estimator)
    unknown = sorted({*found} - {*list_trusted(spec)})
    if unknown:
        raise DataError(
            f"{spec.name}: the fitted {type(estimator).__name__} holds objects of types that nobody has reviewed:"
            f" {', '.join(unknown)}. A service that loads the model's file runs their code. Read what they do, and"
            f" add a line to model.yaml: trusted_types: [{', '.join(unknown)}]"
        )
    return found
