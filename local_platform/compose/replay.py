"""`python -m local_platform.compose.replay MODEL [--to DAY]`: `cyclone replay` in a stack of docker-compose.yaml.

The platform is the stack, which has to live in the past of the replay. Airflow asks for a login there.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

import typer

from cyclone.command_line import build_console
from cyclone.errors import ConfigurationError, CycloneError
from cyclone.settings import Settings, read_settings
from cyclone.spec import find_model
from local_platform.airflow_client import AirflowClient
from local_platform.compose.secret_files import ADMIN, SECRETS_DIR
from local_platform.replay.history import cut_rows, read_rows
from local_platform.replay.place import find_service_address
from local_platform.replay.run import ReplayRun
from local_platform.replay.session import go_on_or_begin, parse_day, train_first
from local_platform.replay.traffic import Replay

COMMAND = "python -m local_platform.compose.replay"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, and return the exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("model", help="name of the model whose history is replayed")
    parser.add_argument("--to", default="", help="the day (ISO, UTC) before which it ends")
    options = parser.parse_args(arguments)
    try:
        replay(read_settings(), options.model, options.to)
    except CycloneError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 1
    except typer.Exit as stopped:
        return stopped.exit_code
    return 0


def replay(settings: Settings, model: str, until: str) -> None:
    """Replay the history of a model on the stack. The first version is trained if none serves.

    Errors: `ConfigurationError` when the stack lives in the present, before anything is asked of it.
    """
    if settings.clock != "replay":
        raise ConfigurationError(
            f"CYCLONE_CLOCK={settings.clock!r}: this stack lives in the present, and a replay is of the past. Start a"
            " stack with CYCLONE_CLOCK=replay and CYCLONE_MONITOR_SCHEDULE='0 0 * * *'. One that has released nothing"
            " may be started again so"
        )
    console, spec = build_console(), find_model(settings.models_dir, model)
    known = read_rows(settings, spec)
    rows = cut_rows(spec, known, None, parse_day("--to", until))
    logins = json.loads((SECRETS_DIR / "airflow" / "logins.json").read_text())
    airflow = AirflowClient(os.environ["AIRFLOW__API__BASE_URL"]).log_in(ADMIN, logins[ADMIN])
    train_first(console, settings, spec, airflow)
    traffic = Replay(spec, find_service_address(settings, spec))
    go_on_or_begin(ReplayRun(console, settings, spec, airflow, traffic, rows), known)


if __name__ == "__main__":
    sys.exit(main())
