"""How an image becomes a command. Everything else about instances is the same for every kind of image."""

import sys
from collections.abc import Callable, Mapping

BuildCommand = Callable[[str, int], list[str]]


def build_bento_command(image: str, port: int) -> list[str]:
    """Serve the Bento `name:version` of the local store with one worker."""
    serve = [sys.executable, "-m", "bentoml", "serve", image]
    return [*serve, "--host", "127.0.0.1", "--port", str(port), "--api-workers", "1"]


def build_python_command(image: str, port: int) -> list[str]:
    """Run the Python file `image`, which listens on 127.0.0.1 and the port in the environment, `PORT`."""
    return [sys.executable, image]


RUNNERS: Mapping[str, BuildCommand] = {"bento": build_bento_command, "python": build_python_command}
