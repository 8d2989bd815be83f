"""The check of a model: everything that can be known to be wrong before it is trained, one line a fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cyclone.errors import CycloneError
from cyclone.settings import Settings
from cyclone.spec import find_model
from training.checking.history import check_history
from training.checking.pipeline import check_pipeline
from training.fit.model_code import find_pipeline, load_function
from training.tracking.runs import EXPECTATIONS_FILE


@dataclass
class Checked:
    """What a check found. A model without `faults` can be trained and served. `answer` is a prediction."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    answer: Any = None

    @contextmanager
    def keep_faults(self) -> Iterator[None]:
        """Turn an error that the user can mend into faults."""
        try:
            yield
        except CycloneError as error:
            self.faults += [line for line in str(error).splitlines() if line.strip()]


def check_model(settings: Settings, name: str) -> Checked:
    """Check model.yaml, every row of the history file, expectations.py and pipeline.py. Nothing is changed."""
    checked = Checked()
    with checked.keep_faults():
        spec = find_model(settings.models_dir, name)
        history = check_history(spec, settings.models_dir / name)
        checked.faults += history.faults
        checked.notes += history.notes
        checked.rows = history.count
        expectations = find_pipeline(settings, spec).with_name(EXPECTATIONS_FILE)
        with checked.keep_faults():
            if expectations.is_file():
                load_function(expectations, f"models.{name}.expectations", "extend_suite")
        if history.frame is not None:
            checked.answer = check_pipeline(settings, spec, history.frame)
    return checked
