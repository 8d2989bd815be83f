"""The tables of `cyclone log status`, which show what became of the answered rows."""

from collections.abc import Sequence

from rich.table import Table

from cyclone.store import Row

COUNTS = ("stored", "repeated", "conflicting", "dropped", "set_aside")
"""The ways in which an answered row can end, by their names in the loss ledger."""

ENDS_OUTSIDE = ("conflicting", "dropped", "set_aside", "lost")
"""The ways in which an answered row can end outside the log."""


def build_revision_table(rows: Sequence[Row]) -> Table:
    """A table with one line a revision, in counts of rows.

    Rows that wait are still with instances that run. Rows that are lost were with instances that have ended.
    """
    table = Table("model", "revision", "instances", "answered", *COUNTS, "waiting", "lost", "complete", "last seen")
    for row in rows:
        in_log = row["stored"] + row["repeated"]
        table.add_row(
            row["model"],
            row["revision"],
            str(row["instances"]),
            f"{row['handed_over']:,}",
            *(f"{row[count]:,}" for count in COUNTS),
            f"{row['unaccounted'] - row['lost']:,}",
            f"{row['lost']:,}",
            show_share(in_log / row["handed_over"] if row["handed_over"] else None),
            f"{row['last_seen_at']:%Y-%m-%d %H:%M:%S}",
        )
    return table


def build_window_table(rows: Sequence[Row]) -> Table:
    """A table with one line for each revision and hour of event time that misses rows."""
    table = Table("model", "revision", "hour (event time)", "expected", *COUNTS, "waiting", "complete")
    for row in rows:
        table.add_row(
            row["model"],
            row["revision"],
            f"{row['window_start']:%Y-%m-%d %H:%M}",
            f"{row['expected']:,}",
            *(f"{row[count]:,}" for count in COUNTS),
            f"{row['pending']:,}",
            show_share(row["completeness"]),
        )
    return table


def show_share(share: float | None) -> str:
    """A share in percent, with two decimals. It is cut and never rounded up, so that 100 % means every row."""
    return "" if share is None else f"{int(share * 10_000) / 100:.2f} %"
