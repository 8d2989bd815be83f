"""Builds the Bento of a base image, in a process of its own whose working folder is the bundle.

`python -B -P base_recipe.py NAME VERSION FOUNDATION SERVICE`. BentoML takes how an image is made from the service
alone: no file can say that the foundation is complete, and that nothing is to be installed with apt.
"""

import sys
from importlib import import_module


def main(name: str, version: str, foundation: str, target: str) -> None:
    """Build `NAME:VERSION` into the local store."""
    import bentoml
    from bentoml.images import Image

    from cyclone.image_contract import REQUIREMENTS_FILE

    module, service = target.split(":")
    image = Image(base_image=foundation, distro="none", lock_python_packages=False)
    getattr(import_module(module), service).image = image.requirements_file(REQUIREMENTS_FILE)
    bentoml.build(target, name=name, version=version)


if __name__ == "__main__":
    main(*sys.argv[1:])
