"""The tasks of `retrain__<model>` that release what was made, before and after its canary. Each can run twice."""

import logging
from typing import Any

from airflow.sdk import task

from cyclone.store import Store
from cyclone_airflow import lineage_events
from cyclone_airflow.task_values import Values, fail_without_retry, read_model, show_result

log = logging.getLogger(__name__)


@task
def candidate(model: str, version: Values, built: Values, **context: Any) -> Values:
    """Deploy the image as a revision at 0 % of the traffic, behind a tag, and wait until it is ready."""
    from cyclone.clock import read_now
    from releasing.candidate import deploy_candidate
    from releasing.first_calibration import fit_first_calibration
    from releasing.reconcile import reconcile
    from training.images.image import Image
    from training.registry import note_revision

    settings, spec = read_model(model)
    for drift in reconcile(settings, spec):
        log.warning("mended before the release: %s", drift)
    number, run_id = version["version"], context["run_id"]
    now = read_now(Store(settings.store_dsn), settings, model)
    calibration = fit_first_calibration(settings, spec, number, run_id, now)
    deployed = deploy_candidate(settings, spec, number, Image(**built), run_id, calibration)
    note_revision(settings, spec, version["version"], deployed.revision)
    read = [lineage_events.locate_pushed_image(settings, built)]
    lineage_events.tell(read, [lineage_events.locate_revision(settings, spec, deployed.revision)])
    return show_result(deployed)


@task(task_id="rehearse")
def rehearse_task(model: str, version: Values, deployed: Values, **context: Any) -> Values:
    """Play the newest logged requests to the candidate.

    Its answers have to be valid, quick, and equal to those of the registered model.
    """
    from releasing.candidate import candidate_of_run
    from releasing.rehearsal import rehearse

    settings, spec = read_model(model)
    # Its address is asked for anew, because a restart of the local platform may have moved it.
    found = candidate_of_run(settings, spec, context["run_id"])
    revision = lineage_events.locate_revision(settings, spec, deployed["revision"])
    lineage_events.tell(
        [
            *lineage_events.locate_log(settings),
            lineage_events.locate_version(settings, spec, version["version"]),
            revision,
        ]
    )
    with fail_without_retry():
        return show_result(rehearse(settings, spec, found, version["version"]))


@task(task_id="promote")
def promote_task(model: str, deployed: Values) -> None:
    """Give all traffic, the champion alias and the release record to the candidate, together."""
    from releasing.candidate import Candidate
    from releasing.promotion import promote

    settings, spec = read_model(model)
    promote(settings, spec, Candidate(**deployed))
    revision = deployed["revision"]
    lineage_events.tell(
        [lineage_events.locate_revision(settings, spec, revision)],
        [lineage_events.locate_traffic(settings, spec, revision)],
    )


@task(task_id="roll_back", trigger_rule="one_failed")
def roll_back_task(model: str, **context: Any) -> None:
    """Return all traffic to the champion after a step of the release has failed, and mark the candidate."""
    from releasing.promotion import roll_back

    settings, spec = read_model(model)
    roll_back(settings, spec, context["run_id"], "a step of the release failed")
