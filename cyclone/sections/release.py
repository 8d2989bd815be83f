"""The section `release` of a `model.yaml`: how a candidate is rehearsed and judged."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from cyclone.sections.base import FromList, Section

Percent = Annotated[int, Field(ge=1, le=100)]


class ReleaseRules(Section):
    """How a candidate is rehearsed and judged before it serves."""

    rehearsal_requests: int = Field(default=200, ge=0, le=100_000)
    """The newest logged rows that a candidate has to answer before it has traffic."""
    rehearsal_latency_ms: float = Field(default=500, gt=0)
    """The time in which 95 % of these rows have to be answered, in milliseconds."""
    steps: Annotated[tuple[Percent, ...], FromList] = (5, 20, 50, 100)
    """The canary's shares of the live traffic, in percent. Small first ones keep most requests from a bad version."""
    requests_per_step: int = Field(default=50, ge=1)
    """The fewest requests that a candidate answers at a step before it may pass."""
    seconds_per_step: float = Field(default=60, ge=0)
    """The least time of a step. A third of it is a moment: what disturbs an instance no longer counts as one event.

    A minute makes moments of 20 seconds, longer than most garbage collections, retries and neighbours' bursts.
    """
    deadline_minutes: float = Field(default=60, gt=0)
    """The minutes after which an inconclusive step ends, as `on_deadline` says."""
    on_deadline: Literal["roll_back", "go_on"] = "roll_back"
    """What ends an inconclusive step at its deadline.

    Even `go_on` waits for `requests_per_step`, because a candidate without requests has shown nothing.
    """
    failure_share_limit: float = Field(default=0.02, ge=0, lt=1)
    """How much more of its requests the candidate may fail than the champion, as a difference of shares."""
    latency_ratio_limit: float = Field(default=1.4, gt=1, le=100)
    """The candidate's mean latency over the champion's, beyond which it is condemned."""
    error_ratio_limit: float = Field(default=1.15, gt=1, le=10)
    """The candidate's error over the champion's, beyond which it is condemned."""
    prediction_shift_limit: float = Field(default=0.5, gt=0, lt=1)
    """The Kolmogorov-Smirnov distance between both versions' predictions, beyond which a candidate is condemned."""
    lost_share_limit: float = Field(default=0.02, ge=0, lt=1)
    """How much more of the candidate's rows the log may lose than of the champion's, as a difference of shares."""
    reconcile: Literal["never", "always"] = "never"
    """Whether the monitor mends traffic, tags and aliases that are not as the release record says.

    `never` only tells a person, because somebody may have moved them on purpose.
    """
    approval: Literal["none", "required", "canary_only"] = "none"
    """Whether a person has to approve a candidate.

    `required` asks before its first share of live traffic. `canary_only` lets the canary go on alone, and asks before
    all traffic. A model's first release has one share, which is the first and the last.
    """
    approval_hours: float = Field(default=24, gt=0, le=720)
    """The hours in which a person may answer. Then the candidate counts as refused. A day has everybody's morning."""
    kept_champions: int = Field(default=2, ge=1, le=100)
    """The number of earlier champions that a roll-back can return to. Their revisions and images are kept."""

    @field_validator("steps")
    @classmethod
    def _check_steps(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or list(value) != sorted(set(value)) or value[-1] != 100:
            raise ValueError("steps must rise and end with 100")
        return value
