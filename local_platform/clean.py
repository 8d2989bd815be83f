"""`python -m local_platform.clean`: remove the state directory of this checkout, and everything that nobody owns.

The state directory is `.cyclone`, together with the data of Postgres that it has elsewhere. What nobody owns are
temporary folders and data that killed processes of any checkout left behind.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclone.errors import PlatformError
from cyclone.places import REPOSITORY
from cyclone.temporary import sweep_temporary
from local_platform.leftovers import list_unrecorded, sweep_data
from local_platform.platform import lock_state


def main(arguments: Sequence[str] | None = None) -> int:
    """Remove it all and return the exit code. A platform that runs is left alone and named."""
    state_dirs = [Path(each) for each in (sys.argv[1:] if arguments is None else arguments)]
    try:
        for state_dir in state_dirs or [REPOSITORY / ".cyclone"]:
            remove_state(state_dir)
    except PlatformError as error:
        print(f"clean: {error}", file=sys.stderr)
        return 1
    for removed in [*sweep_temporary(), *sweep_data()]:
        print(f"removed {removed}")
    for kept in list_unrecorded():
        print(f"kept {kept}: no record says whose data these are. If no platform of yours has them: rm -r {kept}")
    return 0


def remove_state(state_dir: Path) -> None:
    """Remove a state directory. Errors: `PlatformError` when its platform runs."""
    if not state_dir.exists():
        return
    with lock_state(state_dir):
        shutil.rmtree(state_dir)


if __name__ == "__main__":
    sys.exit(main())
