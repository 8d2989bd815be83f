"""The `cyclone` command. Other packages add their commands through the entry point group `cyclone.commands`."""

import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

import typer
from rich.console import Console
from rich.markup import escape

from cyclone.commands import add_commands
from cyclone.errors import ConfigurationError, CycloneError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Serve models, watch them, and retrain and re-release them only when that pays.",
    epilog="Start with [bold]cyclone demo[/bold]: the whole loop on real data, on this machine.",
)
add_commands(app)


def main() -> None:
    """Run the command. An error that the user can mend is shown as its message, without a traceback."""
    try:
        _check_texts(sys.argv[1:])
        for entry in entry_points(group="cyclone.commands"):
            entry.load()(app)
        app()
    except CycloneError as error:
        words = f"[bold red]cyclone:[/bold red] {escape(str(error))}"
        Console(stderr=True).print(words, highlight=False, soft_wrap=True)
        sys.exit(1)


def _check_texts(arguments: Sequence[str]) -> None:
    """Refuse an argument with bytes that are not UTF-8. Postgres cannot store it, and it is in no file of Cyclone's."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise ConfigurationError(
                f"the argument {argument!r} has bytes that are not UTF-8. Set the terminal to UTF-8, or rename the file"
            ) from error


if __name__ == "__main__":
    main()
