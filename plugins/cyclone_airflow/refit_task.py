"""The task `score_refit` of `monitor__<model>`."""

import logging
from typing import Any

from airflow.sdk import task

from cyclone.settings import read_settings
from cyclone_airflow.monitor_tasks import read_run

log = logging.getLogger(__name__)


@task
def score_refit(model: str, **context: Any) -> int:
    """Train what a retraining would have trained, and score it beside the version that served.

    The scores are of days whose labels are all known. The next run decides by them. Nothing is registered or released.
    Return the number of scores.
    """
    from cyclone.policy.refit_scores import find_due_stretch
    from training.refits import describe_scores, score_refit

    run = read_run(model, context)
    spec = run.find_spec()
    stretch = find_due_stretch(run.store, spec, run.find_end())
    if stretch is None:
        log.info("Another run has scored the refit")
        return 0
    scores = score_refit(read_settings(), spec, stretch)
    log.info("%s", describe_scores(spec, stretch, scores))
    return len(scores)
