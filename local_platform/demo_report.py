"""What the replay showed, as a table and a picture: the error beside that of a model that was never retrained."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean

from rich.table import Table

from cyclone.rows.frames import inputs_from_rows
from cyclone.spec import ModelSpec
from cyclone.temporary import temporary_folder
from local_platform.replay.traffic import ReplayedAnswer


@dataclass(frozen=True)
class DemoComparison:
    """The answers that were given, beside what the first version would have said to the same rows."""

    answers: Sequence[ReplayedAnswer]
    never_retrained: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.answers) != len(self.never_retrained):
            raise ValueError(f"{len(self.answers)} answers, but {len(self.never_retrained)} predictions to compare")

    def errors(self, period: str = "") -> tuple[float, float]:
        """The mean absolute errors (never retrained, Cyclone) of the rows whose ISO date begins with `period`."""
        pairs = [
            (abs(fixed - answer.row.label), answer.error)
            for answer, fixed in zip(self.answers, self.never_retrained, strict=True)
            if answer.row.created_at.isoformat().startswith(period)
        ]
        return fmean(pair[0] for pair in pairs), fmean(pair[1] for pair in pairs)

    def periods(self, length: int) -> list[str]:
        """The distinct ISO dates, cut to `length` characters. 7 gives months, 10 gives days."""
        return sorted({answer.row.created_at.isoformat()[:length] for answer in self.answers})


def predict_never_retrained(spec: ModelSpec, answers: Sequence[ReplayedAnswer]) -> list[float]:
    """The predictions of the model's version 1, taken from MLflow, for every answered row."""
    import mlflow

    with temporary_folder("first-version") as folder:  # MLflow would leave its download behind
        first = mlflow.sklearn.load_model(f"models:/{spec.name}/1", dst_path=str(folder))
    inputs = inputs_from_rows(spec, [answer.row.features for answer in answers])
    return [float(value) for value in first.predict(inputs)]


def build_table(comparison: DemoComparison) -> Table:
    """The errors by month, with the share that Cyclone has less."""
    table = Table(title="Mean absolute error, bikes an hour")
    table.add_column("month")
    for heading in ("rows", "never retrained", "Cyclone", "less error"):
        table.add_column(heading, justify="right")
    for month in [*comparison.periods(7), ""]:
        fixed, ours = comparison.errors(month)
        count = sum(answer.row.created_at.isoformat().startswith(month) for answer in comparison.answers)
        if not month:
            table.add_section()
        table.add_row(month or "all", f"{count:,}", f"{fixed:.1f}", f"{ours:.1f}", f"{1 - ours / fixed:.0%}")
    return table


def draw_picture(comparison: DemoComparison, promotions: Sequence[tuple[datetime, int]], path: Path) -> None:
    """Draw the daily error of both, with a line at each promotion. `promotions` are (time, version)."""
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, without a display
    from matplotlib import dates as mdates
    from matplotlib import pyplot as plt

    days = comparison.periods(10)
    errors = [comparison.errors(day) for day in days]
    times = [float(mdates.date2num(datetime.fromisoformat(day))) for day in days]
    figure, axes = plt.subplots(figsize=(11, 4.5), layout="constrained")
    axes.plot(times, [pair[0] for pair in errors], color="#b0b0b0", label="never retrained")
    axes.plot(times, [pair[1] for pair in errors], color="#0b6e99", linewidth=2, label="Cyclone")
    for at, version in promotions:
        moment = float(mdates.date2num(at))
        axes.axvline(moment, color="#d9822b", linestyle="--", linewidth=1)
        axes.annotate(
            f"v{version}",
            (moment, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -12),
            textcoords="offset points",
            color="#d9822b",
        )
    axes.set(title="Error by day (dashed: a new version took all traffic)", ylabel="mean absolute error, bikes an hour")
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%-d %b"))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
