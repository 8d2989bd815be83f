"""The `cyclone` commands of releases."""

import getpass
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from cyclone.clock import read_now
from cyclone.command_line import AsJson, Because, ModelName, open_model, print_json
from cyclone.errors import ReleaseError
from cyclone.record_comparison import note_comparison
from cyclone.settings import read_settings
from cyclone.wording import count_of
from releasing.batch.commands import predict

console = Console(markup=False)
Seen = Annotated[int | None, typer.Option("--version", help="The version that you have looked at. A newer is refused.")]
MARKS = {"well": "well ", "fault": "FAULT", "absent": "-    "}


def add_commands(app: typer.Typer) -> None:
    """Add the commands of releases to the `cyclone` command, which calls this at its start."""
    app.command()(approve)
    app.command()(refuse)
    app.command("promote")(promote_by_hand)
    app.command("rollback")(roll_back_by_hand)
    app.command()(redeploy)
    app.command("reconcile")(reconcile_by_hand)
    app.command("withdraw-calibration")(withdraw_by_hand)
    app.command("retire")(retire_by_hand)
    app.command()(doctor)
    app.command()(predict)


def doctor(
    airflow: Annotated[str, typer.Option("--airflow", help="The address of Airflow's API server.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check the installation from end to end, and say what mends each fault. Nothing is changed.

    Example: [bold]cyclone doctor --airflow http://127.0.0.1:8080[/bold]
    """
    from releasing.doctor.examination import examine

    found = examine(read_settings(), airflow)
    faults = sum(diagnosis.state == "fault" for diagnosis in found)
    if as_json:
        print_json({"is_well": not faults, "diagnoses": list(map(asdict, found))})
    else:
        for diagnosis in found:
            console.print(
                f"{MARKS[diagnosis.state]} {diagnosis.part}: {diagnosis.said}", highlight=False, soft_wrap=True
            )
            if diagnosis.remedy:
                console.print(f"      to mend it: {diagnosis.remedy}", highlight=False, soft_wrap=True)
        console.print(f"{count_of(faults, 'fault')} in {count_of(len(found), 'part')}", highlight=False)
    if faults:
        raise typer.Exit(1)


def approve(model: ModelName, version: Seen = None, because: Because = "") -> None:
    """Let a candidate go on that waits for a person, as `release.approval` asks.

    Example: [bold]cyclone approve bike_demand --because better[/bold]
    """
    _decide(model, True, version, because)


def refuse(model: ModelName, version: Seen = None, because: Because = "") -> None:
    """End a candidate that waits for a person. The champion has all traffic again."""
    _decide(model, False, version, because)


def _decide(model: str, is_approved: bool, version: int | None, because: str) -> None:
    from releasing.approval.answers import decide

    if not because:
        raise ReleaseError(f"{model}: --because is empty. Say why. The reason is kept with your name")
    settings, spec, _ = open_model(model)
    release = decide(settings, spec, is_approved, getpass.getuser(), because, version)
    end = "approved, and its release goes on" if is_approved else "refused, and the champion has all traffic"
    console.print(f"version {release.version} of {spec.name} is {end}", highlight=False, soft_wrap=True)


def promote_by_hand(model: ModelName, because: Because = "") -> None:
    """Give the candidate in its canary all traffic now, without waiting for the rest of the canary."""
    from releasing.early_promotion import promote_early

    settings, spec, _ = open_model(model)
    version = promote_early(settings, spec, getpass.getuser(), _sign(because))
    console.print(f"version {version} of {spec.name} has all traffic", highlight=False)


def roll_back_by_hand(
    model: ModelName,
    to: Annotated[int | None, typer.Option(help="Return to this version, rolling back all after it.")] = None,
    because: Because = "",
) -> None:
    """Return to what served before. This ends a canary, or takes back the last calibration, or else the version."""
    from releasing.returning import return_traffic

    settings, spec, _ = open_model(model)
    began = time.monotonic()

    def tell(what: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {what}", highlight=False, soft_wrap=True)

    return_traffic(settings, spec, getpass.getuser(), _sign(because), to, tell)


def redeploy(
    model: ModelName,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Ask clients for no key from now on.")] = False,
    because: Because = "",
) -> None:
    """Deploy what serves once more, with the environment of today. So it gets changed keys of the clients."""
    from releasing.redeployment import deploy_again

    settings, spec, store = open_model(model)
    now = read_now(store, settings, spec.name)
    revision = deploy_again(settings, spec, getpass.getuser(), because, now, "" if without_keys else None)
    console.print(f"{revision} of {spec.name} has all traffic", highlight=False)


def reconcile_by_hand(
    model: ModelName,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report. It fails if there is something to mend.")
    ] = False,
) -> None:
    """Make Cloud Run's traffic and MLflow's aliases follow the release record, and say what did not."""

    from releasing.reconcile import reconcile

    settings, spec, store = open_model(model)
    for item in reconcile(settings, spec) if not dry_run else []:
        console.print(f"mended: {item}", highlight=False, soft_wrap=True)
    left = reconcile(settings, spec, should_mend=False)
    for item in left:
        console.print(f"found: {item}", highlight=False, soft_wrap=True)
    if not dry_run:
        now = read_now(store, settings, spec.name)
        source = f"cyclone reconcile by {getpass.getuser()} at {datetime.now(UTC).isoformat()}"
        note_comparison(store, spec.name, source, now, left, is_mended=False)
    if left:
        raise typer.Exit(1)
    console.print(f"{spec.name}: traffic, aliases and record agree", highlight=False)


def withdraw_by_hand(model: ModelName, because: Because = "") -> None:
    """Serve raw predictions again, in a new revision of the same image, until the next version."""
    from releasing.recalibration import withdraw_calibration

    settings, spec, store = open_model(model)
    now = read_now(store, settings, spec.name)
    revision = withdraw_calibration(settings, spec, getpass.getuser(), because, now)
    console.print(f"{revision} of {spec.name} answers, without a calibration", highlight=False)


def retire_by_hand(
    model: Annotated[str, typer.Argument(help="The model's name. It needs no folder any more.")], because: Because = ""
) -> None:
    """End a model: its service, its release record, its retrainings and its aliases. Safe to run twice."""
    from releasing.retirement import describe_rest, retire

    if not because:
        raise ReleaseError(
            f"{model}: --because is empty. Run `cyclone retire {model} --because …`. The reason is kept with your name"
        )
    settings = read_settings()
    done = retire(settings, model, getpass.getuser(), because)
    for what in done or [f"{model} is retired already"]:
        console.print(what, highlight=False, soft_wrap=True)
    console.print(describe_rest(settings, model), highlight=False, soft_wrap=True)


def _sign(because: str) -> str:
    """The text that says which person did something, and why."""
    return f"by hand ({getpass.getuser()})" + (f": {because}" if because else "")
