"""The ports of a platform, and what was deployed with the old ones."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cyclone.errors import PlatformError
from cyclone.store import shorten_dsn
from local_platform.addresses import USUAL_PORTS, build_image_repository, build_store_dsn, claim_ports


@contextmanager
def take(port: int) -> Iterator[None]:
    """Another program that listens there."""
    with closing(socket.create_server(("127.0.0.1", port))):
        yield


def choose(state_dir: Path) -> dict[str, int]:
    """The ports of a start that ends at once."""
    claims = claim_ports(state_dir)
    claims.release()
    return claims.ports


def test_a_start_takes_the_ports_of_the_one_before_and_another_where_one_is_taken(tmp_path: Path) -> None:
    first = choose(tmp_path)
    assert first.keys() == USUAL_PORTS.keys()
    assert len({*first.values()}) == len(first)
    with take(first["mlflow"]):
        second = choose(tmp_path)
    assert second["mlflow"] not in first.values()
    assert {**second, "mlflow": first["mlflow"]} == first
    assert choose(tmp_path) == second


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that go with their process")
def test_two_platforms_that_start_at_once_share_no_port_though_nothing_listens_yet(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = (claim_ports(tmp_path / name) for name in ("one", "other"))
    assert not {*one.ports.values()} & {*other.ports.values()}
    one.release()
    other.release()
    assert choose(tmp_path / "one") == one.ports


def test_what_was_deployed_follows_the_store_and_the_images_and_keeps_its_spool(tmp_path: Path) -> None:
    before = choose(tmp_path)
    dsn, images = build_store_dsn(before, "cyclone"), build_image_repository(before)
    folder = tmp_path / "cloud_run"
    spool = folder / "tmp" / "cyclone-spool-0" / f"bike_demand-{shorten_dsn(dsn)}"
    (spool / "instance").mkdir(parents=True)
    theirs = "postgresql://someone@127.0.0.1:5432/cyclone"
    deployed = {"env": [dsn, theirs, f"{dsn}_other"], "image": f"{images}/bike_demand@sha256:12"}
    (folder / "state.json").write_text(json.dumps(deployed))
    with take(before["postgres"]), take(before["registry"]):
        now = choose(tmp_path)
    moved = f"postgresql://postgres@127.0.0.1:{now['postgres']}/cyclone"
    assert moved != dsn
    assert json.loads((folder / "state.json").read_text()) == {
        "env": [moved, theirs, f"{dsn}_other"],
        "image": f"127.0.0.1:{now['registry']}/cyclone/bike_demand@sha256:12",
    }
    assert [path.relative_to(spool.parent) for path in spool.parent.rglob("*")] == [
        Path(f"bike_demand-{shorten_dsn(moved)}"),
        Path(f"bike_demand-{shorten_dsn(moved)}/instance"),
    ]


@pytest.mark.parametrize("content", ["{", "[]", '{"mlflow": "x"}', '{"mlflow": null}'])
def test_a_file_that_nobody_can_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)
    with pytest.raises(PlatformError, match=r"ports\.json cannot be read .*\. Remove it, and the next start chooses"):
        claim_ports(tmp_path)
