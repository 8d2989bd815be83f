"""Advice on `retrain.cost_days` and `retrain.window_days`, from replays of several of them on the same versions."""

from dataclasses import dataclass
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table

from cyclone.sections import Retrain
from cyclone.wording import format_number
from training.backtest.matrix import Matrix
from training.backtest.replay import replay_policy

COST_DAYS = (1.0, 2.0, 3.0, 5.0, 10.0)
"""The values of `cost_days` that are tried, beside that of model.yaml."""
WindowSetting = int | Literal["auto"] | None
WORTH_A_CHANGE = 0.01
"""The share of the present cost that a change has to save. Less is within what another year would give."""


@dataclass(frozen=True)
class Trial:
    """What came of one pair of settings. `cost` is the error of all days and the price of all retrainings."""

    cost_days: float
    window_days: WindowSetting
    error: float
    retrainings: int
    cost: float


@dataclass(frozen=True)
class Advice:
    """The trials, the present settings first. A retraining costs `price`, in the unit of the error a day."""

    present: Trial
    others: tuple[Trial, ...]
    price: float

    @property
    def best(self) -> Trial:
        """The trial with the lowest cost, or the present one if none is clearly better."""
        best = min(self.others, key=lambda trial: trial.cost)
        return best if best.cost < (1 - WORTH_A_CHANGE) * self.present.cost else self.present


def advise(matrix: Matrix, start: int) -> Advice:
    """Replay the policy with other settings.

    What a retraining costs is what model.yaml says: `cost_days` times the accepted error of the first version. The
    settings that are tried are how soon the policy acts. That may be sooner or later than the price says.
    """
    retrain = matrix.spec.retrain
    price = retrain.cost_days * matrix.find_accepted_error(start)
    windows: tuple[WindowSetting, ...] = ("auto", None)
    if isinstance(retrain.window_days, int):
        windows = (retrain.window_days,)
    own = retrain.cost_days, retrain.window_days
    pairs = [own, *((days, window) for window in windows for days in COST_DAYS if (days, window) != own)]
    present, *others = (_try(matrix, start, retrain, days, window, price) for days, window in pairs)
    return Advice(present, tuple(others), price)


def _try(
    matrix: Matrix,
    start: int,
    retrain: Retrain,
    cost_days: float,
    window_days: WindowSetting,
    price: float,
) -> Trial:
    changed = retrain.model_copy(update={"cost_days": cost_days, "window_days": window_days})
    run = replay_policy(matrix.under(changed), start)
    count, days = len(run.retrainings), matrix.history.day_count - start
    return Trial(cost_days, window_days, run.error, count, run.error * days + price * count)


def build_advice_table(advice: Advice) -> Table:
    """The cost curve, the present settings first. Its caption is the advice, in one line."""
    table = Table(title="Other prices and windows", caption_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("cost_days", "window_days", "error", "retrainings", "all cost"):
        table.add_column(heading, justify="right")
    for trial in (advice.present, *advice.others):
        window = "null" if trial.window_days is None else str(trial.window_days)
        cost = f"{trial.cost / advice.present.cost - 1:+.1%}" if trial.cost else "0"
        table.add_row(f"{trial.cost_days:g}", window, f"{trial.error:.4g}", str(trial.retrainings), cost)
    table.caption = describe_advice(advice)
    return table


def describe_advice(advice: Advice) -> str:
    """What to set, in one line.

    >>> present, other = Trial(3, "auto", 2.0, 10, 1000.0), Trial(1, None, 1.8, 12, 950.0)
    >>> describe_advice(Advice(present, (other,), 6.0))
    'Advice: retrain: {cost_days: 1, window_days: null}. It saves 5.0 % of all cost, at 6 a retraining'
    >>> describe_advice(Advice(present, (present,), 6.0))
    'Advice: keep cost_days 3 and window_days auto. No other saves 1 % of all cost, at 6 a retraining'
    """
    best, price = advice.best, f"at {format_number(advice.price)} a retraining"
    window = "null" if best.window_days is None else best.window_days
    if best is advice.present:
        kept = f"keep cost_days {best.cost_days:g} and window_days {window}"
        return f"Advice: {kept}. No other saves {WORTH_A_CHANGE:.0%} of all cost, {price}".replace("%", " %")
    saved = 100 * (1 - best.cost / advice.present.cost)
    settings = f"retrain: {{cost_days: {best.cost_days:g}, window_days: {window}}}"
    return f"Advice: {settings}. It saves {saved:.1f} % of all cost, {price}"
