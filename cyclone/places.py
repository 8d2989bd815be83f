"""The places of files that come along with the code.

In a checkout they are beside the package. In a wheel they are inside it.
"""

from importlib.resources import files
from pathlib import Path

from cyclone.errors import ConfigurationError

PACKAGE = Path(str(files("cyclone")))
"""The folder of the package `cyclone`."""
REPOSITORY = PACKAGE.parent
"""The folder that holds the packages: the checkout, the root of a bundle, or `site-packages`."""
SHIPPED = PACKAGE / "shipped"
"""The folder of files that come along. Only a wheel has it, and `pyproject.toml` says what goes into it."""
SHIPPED_ROOT = SHIPPED if SHIPPED.is_dir() else REPOSITORY
"""The folder that holds `sql`, `dags` and `requirements`."""


def is_checkout() -> bool:
    """Whether the code runs from its repository or from a bundle, and not from an installed wheel."""
    return SHIPPED_ROOT == REPOSITORY


def find_shipped(name: str) -> Path:
    """A file or folder that comes along: `sql`, `dags` or `requirements/serving.txt`.

    Errors: `ConfigurationError` naming the path that is missing.
    """
    path = SHIPPED_ROOT / name
    if not path.exists():
        raise ConfigurationError(
            f"{path} is missing: this installation of Cyclone is not complete. Install it again from its wheel, or"
            " run it from a checkout of the repository"
        )
    return path


def find_home() -> Path:
    """The folder of models and state when no setting names one: the checkout, or else the working directory."""
    return REPOSITORY if is_checkout() else Path.cwd()
