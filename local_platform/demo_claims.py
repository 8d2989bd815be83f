"""Did the loop turn? Each claim of the demo is looked up where a user would see it, not in the demo's own memory."""

from dataclasses import dataclass, field

from rich.table import Table

from cyclone.names import name_dag
from cyclone.settings import Settings
from cyclone.spec import ModelSpec
from cyclone.store import Row, Store
from cyclone.times import DAY
from local_platform.airflow_client import AirflowClient
from local_platform.first_release import is_first_run
from local_platform.replay.traffic import Replay


@dataclass
class DemoClaims:
    """The incidents of a demo with what answered each. `problems` are the claims that do not hold, as sentences."""

    incidents: list[Row]
    problems: list[str] = field(default_factory=list)

    @property
    def automatic(self) -> list[Row]:
        """The incidents that a monitor opened."""
        return [row for row in self.incidents if not is_first_run(row["run_id"])]

    @property
    def promoted(self) -> list[Row]:
        """The incidents that a monitor opened and a new version answered."""
        return [row for row in self.automatic if row["outcome"] == "promoted"]


def check_claims(
    settings: Settings, spec: ModelSpec, airflow: AirflowClient, replay: Replay, least_promotions: int
) -> DemoClaims:
    """Look at the store, Airflow, MLflow and Cloud Run for what the replay caused."""
    store = Store(settings.store_dsn)
    evidence = DemoClaims(store.fetch("lineage/evidence", model=spec.name))
    say = evidence.problems.append
    if replay.failures:
        say(f"{len(replay.failures)} of {replay.request_count} requests failed, the first: {replay.failures[0]}")
    counts = store.fetch_one("log/count", model=spec.name) or {"stored": 0, "labelled": 0}
    if not len(replay.answers) == counts["stored"] == counts["labelled"]:
        say(f"{len(replay.answers)} rows answered, {counts['stored']} stored, {counts['labelled']} with a label")
    if len(evidence.promoted) < least_promotions:
        say(f"{len(evidence.promoted)} automatic promotions, where {least_promotions} or more were expected")
    for row in evidence.promoted:
        for problem in _check_promotion(settings, spec, airflow, row):
            say(f"incident {row['incident_id']}: {problem}")
    serving = read_traffic(settings, spec)
    champion = [row["revision"] for row in evidence.incidents if row["state"] == "champion"]
    if len(champion) != 1 or serving.get(champion[0]) != 100:
        say(f"the champion is {champion}, Cloud Run serves {serving}")
    return evidence


def read_traffic(settings: Settings, spec: ModelSpec) -> dict[str, int]:
    """The share of the traffic of each revision, in percent, as Cloud Run tells it."""
    from releasing.cloud_run import CloudRun

    running = CloudRun(settings).read_service(spec.service_name)
    return running.percents if running else {}


def _check_promotion(settings: Settings, spec: ModelSpec, airflow: AirflowClient, row: Row) -> list[str]:
    import mlflow

    problems = []
    if not any(source.startswith("replay__") for source in row["alarms"]):
        problems.append(f"it was opened by {row['alarms']}, not by a monitor run")
    if spec.error_metric not in row["reason"]:
        problems.append(f"its reason is not a measured {spec.error_metric}: {row['reason']}")
    run = airflow.get_dag_run(name_dag("retrain", spec.name), row["run_id"])
    if run["state"] != "success":
        problems.append(f"Airflow run {row['run_id']} is {run['state']}")
    version = mlflow.MlflowClient(settings.mlflow_uri).get_model_version(spec.name, str(row["version"]))
    if version.run_id is None:
        problems.append(f"MLflow version {row['version']} has no run")
    if row["passed_steps"] != list(spec.release.steps[:-1]):
        problems.append(f"its canary passed {row['passed_steps']} of {list(spec.release.steps[:-1])}")
    return problems


def build_evidence_table(evidence: DemoClaims) -> Table:
    """The table of incidents: when each was opened, why, and what answered it."""
    table = Table(title="What opened each incident, and what answered it", show_lines=True)
    table.add_column("opened", no_wrap=True)
    table.add_column("because")
    table.add_column("answer")
    for row in evidence.automatic:
        table.add_row(f"{row['opened_at']:%Y-%m-%d}", row["reason"], _describe_answer(row))
    return table


def _describe_answer(row: Row) -> str:
    if row["outcome"] != "promoted":
        return str(row["outcome"] or "under way").replace("_", " ")
    steps = "→".join(f"{share}" for share in [*row["passed_steps"], 100])
    days = (row["promoted_at"] - row["opened_at"]) / DAY
    return f"version {row['version']}, {steps} % of the traffic within {days:.1f} days"
