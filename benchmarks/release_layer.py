"""A changed model as a pushed image: one layer over the registry's API, beside building it anew with BentoML.

Both start from the same staged files, and end when a local registry has the image. The peer is at its best. It has the
same foundation and locked packages, BuildKit and a warm cache, so that it builds only what the change touches.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.bundles import fit_model, pack_bundle
from benchmarks.figures import run_part_alone
from cyclone.errors import PlatformError
from cyclone.image_contract import REQUIREMENTS_FILE, SERVICE_TARGET
from cyclone.settings import Settings, read_settings
from local_platform.image_registry import start_registry
from local_platform.leftovers import temporary_state
from local_platform.processes import free_port, wait_until_ready
from training.images.base import RECIPE, push_base
from training.images.bundle import CODE, find_requirements
from training.images.image import append_layer
from training.images.repository import ImageRepository

KEYS = ("layer_seconds", "layer_speedup")
ROUNDS, SMALL_ROUNDS = 7, 1
START_SECONDS = 60
MODEL_BYTES = 10_600_000
"""The size that the model's file gets, by its number of trees."""
NAME = "bench_layer"
Seconds = dict[str, float]
console = Console(width=110)


def measure_layer(rounds: int) -> dict[str, float]:
    """Print the table and return medians of rounds. Errors: `PlatformError`."""
    check_engine()
    with temporary_state("bench-layer") as folder, run_images(folder) as settings:
        size = stage_model(folder)
        layers, peers = [], []
        for number in range(1, rounds + 2):  # the first round warms both and does not count
            change_model(folder, number)
            layers.append(push_layer(settings, folder, number))
            peers.append(rebuild(settings, folder, number))
    return report(layers[1:], peers[1:], size)


def check_engine() -> None:
    """Refuse to start without a container engine. Errors: `PlatformError` that says how to get one."""
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        raise PlatformError(
            "no container engine answers. Start Docker, or as root on Debian run this through .ci/container-engine"
        )


@contextmanager
def run_images(folder: Path) -> Iterator[Settings]:
    """A local registry with the base image in it, and settings that lead there."""
    port = free_port(0)
    (folder / "bentoml").mkdir()
    os.environ["BENTOML_HOME"] = str(folder / "bentoml")
    found = {"image_repository": f"127.0.0.1:{port}/cyclone", "work_dir": folder / "work"}
    settings = read_settings().model_copy(update=found)
    with start_registry(folder / "registry", port) as registry:
        wait_until_ready(f"http://127.0.0.1:{port}/", START_SECONDS, registry)
        try:
            console.print("The base image is built, once for this code and these packages. It is in no figure.")
            push_base(settings)
            yield settings
        finally:
            remove_images(settings.image_repository)


def remove_images(repository: str) -> None:
    """Take what was built for this registry out of the engine, which may be a person's own."""
    listed = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True, check=True
    )
    ours = [name for name in listed.stdout.split() if name.startswith(f"{repository}/")]
    if ours:
        run(["docker", "image", "rm", "--force", *ours])


def stage_model(folder: Path) -> int:
    """Stage a fitted forest of ten megabytes, alone for the layer and with the code for the peer.

    Returns the bytes of its file.
    """
    import skops.io
    from sklearn.ensemble import RandomForestRegressor

    _, _, rows = fit_model()
    numbers = [[row["hour"], row["temperature"], row["humidity"], row["wind"]] for row in rows]
    forest = RandomForestRegressor(n_estimators=10, random_state=0)
    labels = [index % 97 for index in range(len(rows))]
    trees = round(10 * MODEL_BYTES / len(skops.io.dumps(forest.fit(numbers, labels))))
    forest.set_params(n_estimators=trees).fit(numbers, labels)
    bundle, model = folder / "bundle", folder / "model" / "v1"
    pack_bundle(bundle, forest, "spooled")
    shutil.copy(find_requirements(), bundle)
    shutil.copytree(bundle, model, ignore=shutil.ignore_patterns(*CODE, REQUIREMENTS_FILE))
    return (model / "model" / "model.skops").stat().st_size


def change_model(folder: Path, number: int) -> None:
    """Make another version of the model. Its file changes, and so does every layer that holds the file."""
    release = json.dumps({"model": "bike_demand", "version": number, "trusted_types": []})
    for root in (folder / "bundle", folder / "model" / "v1"):
        with (root / "model" / "model.skops").open("r+b") as file:
            file.seek(-4, os.SEEK_END)  # within a zip's closing record, so that the size stays the same
            file.write(number.to_bytes(4, "little"))
        (root / "release.json").write_text(release)


def push_layer(settings: Settings, folder: Path, number: int) -> Seconds:
    """Cyclone's way: append a layer to the base image, and push it."""
    repository = ImageRepository(f"{settings.image_repository}/{NAME}")
    model, labels = folder / "model" / "v1", {"cyclone.version": str(number)}
    return {"total": time_call(lambda: append_layer(settings, repository, f"v{number}", model, labels))}


def rebuild(settings: Settings, folder: Path, number: int) -> Seconds:
    """The peer's way: build the Bento, containerize it, push the image."""
    reference, version = f"{settings.image_repository}/{NAME}_rebuilt:v{number}", f"v{number}"
    bundle = folder / "bundle"
    recipe = [sys.executable, "-B", "-P", str(RECIPE), NAME, version, settings.image_foundation, SERVICE_TARGET]
    containerize = [sys.executable, "-m", "bentoml", "containerize", f"{NAME}:{version}", "--backend", "docker"]
    env = {**os.environ, "PYTHONPATH": str(bundle)}
    seconds = {
        "build": time_call(lambda: run(recipe, cwd=bundle, env=env)),
        "containerize": time_call(lambda: run([*containerize, "-t", reference, "--opt", "network=host"])),
        "push": time_call(lambda: run(["docker", "push", "--quiet", reference])),
    }
    return {**seconds, "total": sum(seconds.values())}


def run(command: list[str], **options: Any) -> None:
    """Run a command. Errors: `PlatformError` with the end of what it said."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise PlatformError(f"`{' '.join(command[:5])} …` ended with {done.returncode}: {done.stderr[-2000:]}")


def time_call(call: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def report(layers: list[Seconds], peers: list[Seconds], size: int) -> dict[str, float]:
    """Print the table and return the figures."""
    medians = {
        "append a model layer": statistics.median(each["total"] for each in layers),
        **{f"rebuild: {step}": statistics.median(each[step] for each in peers) for step in peers[0]},
    }
    table = Table("a changed model, pushed", "median", "fastest", "slowest", title=f"{len(layers)} rounds, in turn")
    every = [layers, *[peers] * len(peers[0])]
    for (name, median), rows in zip(medians.items(), every, strict=True):
        step = name.rsplit(" ", 1)[1] if name.startswith("rebuild") else "total"
        values = [each[step] for each in rows]
        table.add_row(name, f"{median:.2f} s", f"{min(values):.2f} s", f"{max(values):.2f} s")
    console.print(table)
    console.print(f"The model's file has {size / 1e6:.1f} MB.")
    layer, peer = medians["append a model layer"], medians["rebuild: total"]
    return {"layer_seconds": round(layer, 3), "layer_speedup": round(peer / layer, 1)}


def main() -> int:
    """Print the table and one line of JSON. Return the exit code."""
    return run_part_alone(
        "release_layer", __doc__, KEYS, lambda is_small: measure_layer(SMALL_ROUNDS if is_small else ROUNDS)
    )


if __name__ == "__main__":
    sys.exit(main())
