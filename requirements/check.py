"""Say in one sentence why .venv cannot be made here, before anything is: `python requirements/check.py .venv`.

It runs as a file on any Python, for the version is one of the reasons.
"""

import os
import sys


def main(venv: str) -> None:
    """Exit with the reason on standard error. Do nothing when there is none."""
    folder = find_existing(os.path.dirname(os.path.abspath(venv)))
    fault = find_fault(folder)
    if fault:
        sys.exit("%s cannot be made: %s" % (venv, fault))  # noqa: UP031 (an old Python must read it)


def find_fault(folder: str) -> str:
    """Why the folder can hold no environment of this Python. It is empty when the folder can."""
    found = ".".join(map(str, sys.version_info[:2]))
    elsewhere = "use a checkout in another folder, or name a folder without spaces with: make VENV=/folder/venv"
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        return "Python 3.11, 3.12 or 3.13 is needed, " + found + " is here. Name another with: make PYTHON=python3.11"
    for path in (folder, os.getcwd()):
        if "$" in path:
            return path + " has a $ in its path, which Airflow and BentoML read as a variable. Instead " + elsewhere
    if os.pathsep in folder:
        return folder + " has a colon in its path, which separates paths in PATH. Instead " + elsewhere
    if not os.access(folder, os.W_OK):
        return folder + " cannot be written to. Instead " + elsewhere
    if os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        return folder + " is on a file system that runs no programs (mounted noexec). Instead " + elsewhere
    return ""


def find_existing(folder: str) -> str:
    """The folder, or the nearest above it that is there."""
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return folder


if __name__ == "__main__":
    main(*sys.argv[1:])
