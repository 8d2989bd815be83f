from pathlib import Path

import yaml

from cyclone.spec import ModelSpec, read_model_yaml
from training.reproduction import drop_gone_keys


def test_a_version_that_was_trained_under_a_key_that_is_gone_can_still_be_reproduced(
    bike_demand: ModelSpec, tmp_path: Path
) -> None:
    old = bike_demand.model_dump(mode="json")
    old["retrain"] |= {"minimum_gain": None, "window_days": 35}
    config = tmp_path / "model.yaml"
    config.write_text(yaml.safe_dump(old))
    drop_gone_keys(config)
    assert read_model_yaml(config).retrain.window_days == 35
