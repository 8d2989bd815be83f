"""Builds the Bento of a base image, in a process of its own whose working folder is the bundle.

`python -B -P base_recipe.py NAME VERSION FOUNDATION`. BentoML takes how an image is made from the
service alone: no file can say that the foundation is complete, and nothing is to be installed with apt.
"""

import sys

import bentoml
from bentoml.images import Image

from bento_service.service import PredictionService


def main(name: str, version: str, foundation: str) -> None:
    """Build `NAME:VERSION` into the local store."""
    image = Image(base_image=foundation, distro="none", lock_python_packages=False)
    PredictionService.image = image.requirements_file("serving.txt")  # type: ignore[attr-defined]
    bentoml.build("bento_service.service:PredictionService", name=name, version=version)


if __name__ == "__main__":
    main(*sys.argv[1:])
