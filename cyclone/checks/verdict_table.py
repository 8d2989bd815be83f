"""A table of verdicts, in plain text."""

from collections.abc import Sequence

from cyclone.checks.verdicts import CheckResult


def format_verdicts(results: Sequence[CheckResult]) -> str:
    """A table of verdicts in plain text, for the log of a task. One row a verdict, at most 200 characters wide.

    Each version has a table of its own.
    """
    # Imported here because only tasks that write a table need it.
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table

    if not results:
        return "nothing to check: no version served at the end of the window"
    versions = list(dict.fromkeys(result.version for result in results))
    if len(versions) > 1:
        return "\n".join(format_verdicts([item for item in results if item.version == one]) for one in versions)
    table = Table(box=box.SIMPLE)
    for heading in ("check", "subject", "value", "± error", "limit", "p", "samples", "days", "verdict"):
        table.add_column(heading, justify="left" if heading in ("check", "subject", "verdict") else "right")
    for result in results:
        numbers = (result.value, result.standard_error, result.limit, result.p_value)
        days = (result.window_end - result.window_start).days
        table.add_row(
            result.check_name,
            result.subject,
            *("-" if number is None else f"{number:.4g}" for number in numbers),
            str(result.sample_size),
            str(days),
            f"{result.verdict}: {result.reason}" if result.reason else result.verdict,
        )
    output = StringIO()
    Console(file=output, width=200, color_system=None, markup=False).print(table)
    lines = [line.rstrip() for line in output.getvalue().splitlines() if line.strip()]
    return "\n".join([f"version {results[0].version}, up to {results[0].window_end:%Y-%m-%d %H:%M} UTC", *lines])
