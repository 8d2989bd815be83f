"""Fails to import when a model.yaml is wrong, so that Airflow shows the reason. The other models' DAGs go on."""

from cyclone.errors import ConfigurationError
from cyclone.settings import read_settings
from cyclone.spec import load_model_specs

_, errors = load_model_specs(read_settings().models_dir)
if errors:
    raise ConfigurationError("\n".join(str(error) for error in errors))
