"""The secrets of the stand-in: a folder for each, with a file for each version."""

from pathlib import Path

from local_platform.cloud_run.startup import StartupError


def read_secret(folder: Path | None, name: str, version: str) -> str:
    """The value of a secret. The version `latest` is the one with the greatest number.

    Errors: `StartupError` in Google's words when it is not there.
    """
    versions = {path.name: path for path in (folder / name).glob("*")} if folder else {}
    newest = max((number for number in versions if number.isdigit()), key=int, default="")
    path = versions.get(newest if version == "latest" else version)
    if path is None:
        raise StartupError(f"Secret projects/-/secrets/{name}/versions/{version} was not found.")
    return path.read_text()
