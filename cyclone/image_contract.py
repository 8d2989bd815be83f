"""The names that training, deployments and the service must agree on. Each name stands here once.

A revision gets the variables of its deployment and of its runtime, and nothing else. So a variable that the service
reads has to be in `DEPLOYED_VARIABLES`, in `RUNTIME_VARIABLES` or, with the reason, in `PROCESS_VARIABLES`. A test
checks that.
"""

STORE_DSN_VARIABLE = "CYCLONE_STORE_DSN"
API_KEYS_VARIABLE = "CYCLONE_API_KEYS"
"""The content of a keys file. It holds hashes of the clients' bearer keys, never the keys themselves."""
CALIBRATION_VARIABLE = "CYCLONE_CALIBRATION"
"""The calibration of the revision, as JSON. Empty for raw predictions."""
REHEARSAL_TOKEN_VARIABLE = "CYCLONE_REHEARSAL_TOKEN"  # noqa: S105 (the name of a variable)
"""The secret of a rehearsal. Requests that bear it are answered and not logged. Each deployment draws a new one."""
CLOCK_VARIABLE = "CYCLONE_CLOCK"
"""The clock of a replay. Empty for the wall's clock."""
BENTOML_OPTIONS_VARIABLE = "BENTOML_CONFIG_OPTIONS"
DO_NOT_TRACK_VARIABLE = "BENTOML_DO_NOT_TRACK"
DEPLOYED_VARIABLES = (
    STORE_DSN_VARIABLE,
    API_KEYS_VARIABLE,
    CALIBRATION_VARIABLE,
    REHEARSAL_TOKEN_VARIABLE,
    CLOCK_VARIABLE,
    BENTOML_OPTIONS_VARIABLE,
    DO_NOT_TRACK_VARIABLE,
)
"""The variables that a deployment gives to a revision. `releasing.revision_environment` gives those with a value."""

PORT_VARIABLE = "PORT"
SERVICE_VARIABLE = "K_SERVICE"
REVISION_VARIABLE = "K_REVISION"
CONFIGURATION_VARIABLE = "K_CONFIGURATION"
RUNTIME_VARIABLES = (PORT_VARIABLE, SERVICE_VARIABLE, REVISION_VARIABLE, CONFIGURATION_VARIABLE)
"""The variables that Cloud Run gives to each instance. It refuses a deployment that names one of them."""

API_KEYS_FILE_VARIABLE = "CYCLONE_API_KEYS_FILE"
SPOOL_DIR_VARIABLE = "CYCLONE_SPOOL_DIR"
MODELS_DIR_VARIABLE = "CYCLONE_MODELS_DIR"
MODEL_VARIABLE = "CYCLONE_MODEL"
MODEL_VERSION_VARIABLE = "CYCLONE_MODEL_VERSION"
PROXY_TARGET_VARIABLE = "CYCLONE_PROXY_TARGET"
HOST_VARIABLE = "HOST"
BENTOML_HOME_VARIABLE = "BENTOML_HOME"
BENTOML_CONFIG_VARIABLE = "BENTOML_CONFIG"
METRICS_DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
THREADS_VARIABLE = "OMP_NUM_THREADS"
_OF_THE_PROXY = "the logging proxy reads it, and no deployment of Cyclone starts one"
PROCESS_VARIABLES = {
    API_KEYS_FILE_VARIABLE: "a file of the machine where a service is started by hand",
    SPOOL_DIR_VARIABLE: "a folder that one instance has to itself, while a deployment speaks to all of them",
    BENTOML_CONFIG_VARIABLE: "a file of the machine where a service is started by hand",
    BENTOML_HOME_VARIABLE: "the image says which of its folders can be written to",
    METRICS_DIR_VARIABLE: "the start of the service tells it to its workers",
    THREADS_VARIABLE: "the service sets it before it loads the model",
    MODELS_DIR_VARIABLE: _OF_THE_PROXY,
    MODEL_VARIABLE: _OF_THE_PROXY,
    MODEL_VERSION_VARIABLE: _OF_THE_PROXY,
    PROXY_TARGET_VARIABLE: _OF_THE_PROXY,
    HOST_VARIABLE: _OF_THE_PROXY,
}
"""The variables that a service reads and no deployment gives, each with the reason."""

REHEARSAL_HEADER = "x-cyclone-rehearsal"
"""The header in which a request bears the rehearsal's secret."""

SERVICE_TARGET = "bento_service.service:PredictionService"
"""The service that BentoML starts, as `module:class` from the root of a bundle."""
RELEASE_FILE = "release.json"
"""The file in a bundle's root with its model, its version and its MLflow run."""
REQUIREMENTS_FILE = "serving.txt"
SPECS_FOLDER = "models"
"""The folder that has one folder a model, in a bundle as in a checkout."""
SPEC_FILE = "model.yaml"
PIPELINE_FILE = "pipeline.py"
MODEL_FILE = "model.skops"
MODEL_PATH = f"model/{MODEL_FILE}"
"""The path of the fitted estimator from a bundle's root."""
TREES_PATH = "model/trees.npy"
"""The path of the estimator's trees from a bundle's root. It is there when they predict what the estimator does."""
TREES_KEY = "trees"
"""The key of the release file with the link of the trees. It is there when they are."""
