"""The ports of a platform's parts, and what has to follow when one changes between two starts.

A start takes the ports of the start before, so that links and bookmarks stay right. If a port is taken meanwhile, the
deployed revisions are told the new address. Otherwise a revision could write into the store of another platform that
answers at the old one.
"""

import json
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cyclone.errors import PlatformError
from cyclone.store import shorten_dsn
from local_platform.processes import PORT_ATTEMPTS, PORTS, reserve_port

USUAL_PORTS = {"postgres": 5433, "airflow": 8080, "mlflow": 5000, "cloud_run": 8090, "registry": 5005}
"""The ports that a first start takes where they are free."""
_FILE_NAME = "ports.json"


def build_store_dsn(ports: Mapping[str, int], database: str) -> str:
    """The DSN of a database of the embedded Postgres."""
    return f"postgresql://postgres@127.0.0.1:{ports['postgres']}/{database}"


def build_image_repository(ports: Mapping[str, int]) -> str:
    """Where images go, as HOST/PATH."""
    return f"127.0.0.1:{ports['registry']}/cyclone"


@dataclass
class PortClaims:
    """The ports that one platform has claimed. No other platform takes them while they are held, in use or not.

    Parts start one after the other. Without a claim, a port that is planned for a part would look free for seconds.
    """

    ports: dict[str, int] = field(default_factory=dict)
    _held: list[socket.socket] = field(default_factory=list)

    def take(self, name: str, wanted: int) -> bool:
        """Take a port for a part. False when another has it."""
        claim = reserve_port(wanted)
        if claim is None:
            return False
        self.ports[name] = wanted
        self._held.append(claim)
        return True

    def release(self) -> None:
        """Let others take the ports."""
        for claim in self._held:
            claim.close()


def claim_ports(state_dir: Path) -> PortClaims:
    """Claim a port for each part: that of the last start, else the usual one, else any free one.

    They are written down for the next start.
    """
    path = state_dir / _FILE_NAME
    before, claims = _read_ports(path), PortClaims()
    for name, usual in USUAL_PORTS.items():
        others = [port for port in random.sample(PORTS, PORT_ATTEMPTS) if port not in before.values()]
        if not any(claims.take(name, port) for port in (before.get(name, usual), *others)):
            raise PlatformError(
                f"no port for {name}: {PORT_ATTEMPTS} between {PORTS.start} and {PORTS.stop - 1} are taken. Stop what"
                " listens there"
            )
    if before and before != claims.ports:
        _follow(state_dir / "cloud_run", before, claims.ports)
    path.write_text(json.dumps(claims.ports) + "\n")
    return claims


def _read_ports(path: Path) -> dict[str, int]:
    """The ports of the last start, none before the first. Errors: `PlatformError` when the file cannot be read."""
    try:
        return {name: int(port) for name, port in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        raise PlatformError(
            f"{path} cannot be read ({error!r}). Remove it, and the next start chooses ports anew"
        ) from error


def _follow(folder: Path, before: Mapping[str, int], now: Mapping[str, int]) -> None:
    """Tell revisions the new addresses of the store and the images, and keep each spool with its store."""
    old, new = build_store_dsn(before, "cyclone"), build_store_dsn(now, "cyclone")
    state = folder / "state.json"
    if state.exists():
        text = state.read_text().replace(f'"{old}"', f'"{new}"')
        text = text.replace(f"{build_image_repository(before)}/", f"{build_image_repository(now)}/")
        fresh = state.with_suffix(".moved")
        fresh.write_text(text)
        fresh.replace(state)
    for spool in folder.glob(f"tmp/cyclone-spool-*/*-{shorten_dsn(old)}"):
        target = spool.with_name(spool.name.replace(shorten_dsn(old), shorten_dsn(new)))
        target.mkdir(mode=0o700, exist_ok=True)
        for instance in spool.iterdir():
            instance.rename(target / instance.name)
        spool.rmdir()
