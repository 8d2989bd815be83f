"""A script that builds the Bento of a base image. It runs in a process of its own, in the folder of the bundle.

`python -B -P base_recipe.py NAME VERSION FOUNDATION SERVICE [PACKAGE …]`. The foundation is complete, and nothing is
to be installed with apt. BentoML takes such a thing from the service alone and from no file, so a script has to say it.
"""

import sys
from importlib import import_module

COMPILE = (
    "python -c \"import compileall, re, sysconfig; compileall.compile_dir(sysconfig.get_path('stdlib'), quiet=2,"
    " rx=re.compile('/(site-packages|dist-packages|tests?)/'))\""
)
"""Compiles Python's own library.

The usual foundation comes without compiled files, and nothing can be written there when a service starts. So each start
would compile two hundred files again, in half a second of processor time.
"""


def main(name: str, version: str, foundation: str, target: str, *packages: str) -> None:
    """Build the Bento `name:version` into the local store."""
    import bentoml
    from bentoml.images import Image

    from cyclone.image_contract import REQUIREMENTS_FILE

    module, service = target.split(":")
    image = Image(base_image=foundation, distro="none", lock_python_packages=False)
    image = image.requirements_file(REQUIREMENTS_FILE)
    image = image.python_packages(*packages) if packages else image
    getattr(import_module(module), service).image = image.run(COMPILE)
    bentoml.build(target, name=name, version=version)


if __name__ == "__main__":
    main(*sys.argv[1:])
