"""Bentos of the local store: building, finding and listing them, and compiling their code."""

import compileall
import py_compile
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclone.errors import ReleaseError
from cyclone.image_contract import REQUIREMENTS_FILE
from training.images.bundle import read_packages

# So much of a failed build's output is shown. Its end has the error, and a whole build would fill the log.
SHOWN_CHARACTERS = 2000


def find_bento(reference: str) -> Any | None:
    """The Bento of the local store with this reference, as `name:version`, or None."""
    import bentoml
    from bentoml.exceptions import NotFound

    try:
        return bentoml.bentos.get(reference)
    except NotFound:
        return None


def list_bentos(name: str) -> list[Any]:
    """All Bentos of the local store with this name."""
    import bentoml
    from bentoml.exceptions import NotFound

    try:
        return list(bentoml.bentos.list(name))
    except NotFound:
        return []


def build_bento(bundle: Path, version: str, plan: dict[str, Any]) -> Any:
    """Build a Bento from a bundle. `plan` is the content of a bentofile.yaml.

    A build imports the service, and no process can import two bundles. So each build has a process of its own.
    Errors: `ReleaseError` with the end of the build's output.
    """
    import yaml

    # BentoML reads no requirements file below a hidden folder. The local platform keeps its state in one.
    packages = [*list_packages(bundle / REQUIREMENTS_FILE), *read_packages(bundle)]
    plan = {**plan, "python": {"packages": packages, "lock_packages": False}}
    plan_path = bundle.with_name(f"{version}.bentofile.yaml")
    plan_path.write_text(yaml.safe_dump(plan))
    command = [sys.executable, "-B", "-m", "bentoml", "build", str(bundle), "--bentofile", str(plan_path)]
    built = subprocess.run(
        [*command, "--version", version, "--output", "tag"], cwd=bundle, capture_output=True, text=True, check=False
    )
    reference = f"{plan['name']}:{version}"
    bento = find_bento(reference)
    if built.returncode != 0 or bento is None:
        said = (built.stderr or built.stdout)[-SHOWN_CHARACTERS:].strip()
        raise ReleaseError(f"image {reference} could not be built from {bundle}. The build said: {said}")
    compile_code(Path(bento.path))
    return bento


def list_packages(requirements: Path) -> list[str]:
    """The pinned packages of a compiled requirements file, without their hashes."""
    lines = requirements.read_text().splitlines()
    return [line.removesuffix("\\").strip() for line in lines if line[:1].isalnum()]


def compile_code(bento: Path) -> None:
    """Compile the code of a Bento. A build leaves compiled files out, and a start without them is seconds slower."""
    compileall.compile_dir(
        str(bento / "src"),
        quiet=1,
        stripdir=str(bento),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
