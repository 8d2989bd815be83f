"""The `cyclone` commands of training and its releases."""

import getpass
import time
from typing import Annotated

import typer
from rich.console import Console

from cyclone.clock import read_now
from cyclone.errors import ReleaseError, TrackingError
from cyclone.keys import pack_keys
from cyclone.releases import current_release, releases_under_way
from cyclone.settings import Settings, read_settings
from cyclone.spec import ModelSpec, find_model
from cyclone.store import Store
from training.policy_commands import ModelName, backtest, resume_model, retrain, withdraw_calibration

console = Console(markup=False)
Because = Annotated[str, typer.Option("--because", help="Why: it is kept with the release.")]


def add_commands(app: typer.Typer) -> None:
    """Called by the `cyclone` command at its start."""
    for command in (promote, rollback, redeploy, reconcile, reproduce, backtest, retrain, withdraw_calibration):
        app.command()(command)
    app.command("resume")(resume_model)


def promote(model: ModelName, because: Because = "") -> None:
    """Give the candidate in its canary all traffic now, without waiting for the rest of it."""
    from training.canary import end_by_hand
    from training.release import candidate_of_run
    from training.release import promote as give_all_traffic

    settings, spec = _read(model)
    led, _ = releases_under_way(Store(settings.store_dsn), spec.name)
    if not led:
        raise ReleaseError(f"{spec.name}: no candidate is under way, so there is nothing to promote")
    candidate = candidate_of_run(settings, spec, led[0].run_id)
    end_by_hand(settings, led[0].run_id, goes_on=True, reason=_sign(because))
    give_all_traffic(settings, spec, candidate)
    console.print(f"version {led[0].version} of {spec.name} has all traffic", highlight=False)


def rollback(
    model: ModelName,
    to: Annotated[int | None, typer.Option(help="Return to this version, rolling back all after it.")] = None,
    because: Because = "",
) -> None:
    """Return to what served before: end a canary under way, else take back the last calibration, else the version."""
    from training.canary import end_by_hand
    from training.release import roll_back

    settings, spec = _read(model)
    reason = _sign(because)
    led, _ = releases_under_way(Store(settings.store_dsn), spec.name)
    if not led or to is not None:
        _return(settings, spec, to, reason)
        return
    for release in led:
        end_by_hand(settings, release.run_id, goes_on=False, reason=reason)
        roll_back(settings, spec, release.run_id, reason)
    console.print(f"version {led[0].version} of {spec.name} is rolled back; the champion has all traffic")


def _return(settings: Settings, spec: ModelSpec, to: int | None, reason: str) -> None:
    """Return to an older revision, which then gets the keys that the one before it asked for, or newer ones."""
    from training.calibration import roll_back_calibration
    from training.redeployment import return_keys
    from training.release import restore_champion
    from training.revision_environment import read_keys_of

    began = time.monotonic()

    def tell(what: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {what}", highlight=False, soft_wrap=True)

    def renew_keys() -> None:
        keys = pack_keys(settings) or served
        if renewed := return_keys(settings, spec, keys, getpass.getuser(), read_now(store, settings, spec.name)):
            tell(f"{renewed} has all traffic, as the revision before it asked for older keys")

    store = Store(settings.store_dsn)
    champion = current_release(store, spec.name)
    served = read_keys_of(settings, spec, champion.revision) if champion else ""
    before = roll_back_calibration(settings, spec, reason) if to is None else None
    if before is not None:
        tell(f"{before} has all traffic, without the last calibration")
    else:
        try:
            restore_champion(settings, spec, reason, to, tell)
        except TrackingError:
            renew_keys()  # only MLflow's alias does not follow yet
            raise
    renew_keys()  # after the traffic: keys that cannot be read hold up no roll-back


def redeploy(
    model: ModelName,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Ask clients for no key from now on.")] = False,
    because: Because = "",
) -> None:
    """Deploy what serves once more, with the environment of today: so changed keys of the clients reach it."""
    from training.redeployment import deploy_again

    settings, spec = _read(model)
    now = read_now(Store(settings.store_dsn), settings, spec.name)
    revision = deploy_again(settings, spec, getpass.getuser(), because, now, "" if without_keys else None)
    console.print(f"{revision} of {spec.name} has all traffic", highlight=False)


def reconcile(
    model: ModelName,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report; fails when something is to be mended.")
    ] = False,
) -> None:
    """Make Cloud Run's traffic and MLflow's aliases follow the release record, and say what did not."""
    from training.reconcile import reconcile as follow_record

    settings, spec = _read(model)
    drifts = follow_record(settings, spec, should_mend=not dry_run)
    for drift in drifts:
        console.print(f"{'found' if dry_run else 'mended'}: {drift}", highlight=False)
    if not drifts:
        console.print(f"{spec.name}: traffic, aliases and record agree", highlight=False)
    elif dry_run:
        raise typer.Exit(1)


def reproduce(
    model: ModelName, version: Annotated[int, typer.Option(min=1, help="The registered version to make again.")]
) -> None:
    """Train a version again from its data's fingerprint and compare; fails when it is not the same, bit for bit."""
    from training.reproduction import reproduce as make_again

    made = make_again(read_settings(), model, version)
    lines = {
        "MLflow run": made.mlflow_run_id,
        "fingerprint": made.fingerprint,
        "data": f"{made.rows:,} rows from {made.frame}",
        "predictions": f"the largest difference on these rows is {made.largest_difference:g}",
        "metrics": "{} of {} are identical".format(*made.metrics),
        "model file": "{} of {} arrays are identical".format(*made.arrays),
        **{name: f"{now} is here, {then} was there then" for name, (then, now) in made.packages.items()},
    }
    typer.echo(f"version {made.version} of {model}, trained again")
    for name, text in lines.items():
        typer.echo(f"  {name:<14}{text}")
    if made.differing:
        typer.echo(f"NOT the same: {', '.join(made.differing)}")
        raise typer.Exit(1)
    typer.echo("the same, bit for bit: predictions, metrics and the arrays of the model file")


def _sign(because: str) -> str:
    """Who did it and why; what was done is told where this is shown."""
    return f"by hand ({getpass.getuser()})" + (f": {because}" if because else "")


def _read(model: str) -> tuple[Settings, ModelSpec]:
    settings = read_settings()
    return settings, find_model(settings.models_dir, model)
