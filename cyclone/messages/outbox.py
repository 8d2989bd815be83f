"""The messages of a model as the store keeps them: noted once, carried by each route once, given up in the end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cyclone.policy.decisions import Cause
from cyclone.policy.holds import describe_remedy
from cyclone.store import Store
from cyclone.wording import capitalise, finish_sentence

Kind = Literal["incident", "hold", "retraining", "promotion", "roll_back", "log_loss", "approval"]
Severity = Literal["info", "warning", "critical"]
PATIENCE = timedelta(days=1)
"""So long after it was noted a message is given up. A mail server may be away for a night."""
REMEDIES: dict[Kind, str] = {
    "incident": "Nothing has to be done. `cyclone explain incident:{subject}` tells what led to it.",
    "hold": "`cyclone status {model}` tells what to do.",
    "retraining": "What served before still serves. `cyclone timeline {model}` tells what happened.",
    "promotion": "Nothing has to be done. `cyclone rollback {model}` returns to the version before.",
    "roll_back": "The version before serves again. `cyclone explain {model}:v{subject}` tells why.",
    "approval": "`cyclone approve {model} --because '…'` lets it go on, and `cyclone refuse {model} --because '…'`"
    " ends it.",
    "log_loss": "`cyclone log status {model}` names the instances and the reasons.",
}
"""What to do about a message, by its kind. Of a hold, its cause tells more."""


@dataclass(frozen=True)
class Message:
    """An event that people are told of. `sent_by` are the routes that have carried it. A hold has its `cause`."""

    message_id: int
    model: str
    kind: Kind
    subject: str
    severity: Severity
    at: datetime
    words: str
    sent_by: tuple[str, ...] = ()
    attempts: int = 0
    cause: Cause | None = None

    @property
    def title(self) -> str:
        """The message in a few words, as a subject of a mail."""
        return f"{self.model}: {self.kind.replace('_', '-')} ({self.severity})"

    @property
    def text(self) -> str:
        """What happened, and what to do."""
        if self.cause:
            remedy = finish_sentence(capitalise(describe_remedy(self.cause, self.model)))
        else:
            remedy = REMEDIES[self.kind].format(model=self.model, subject=self.subject)
        return f"{self.model}: {self.words.rstrip('.')}. {remedy}"


def note_messages(store: Store, model: str, present: datetime) -> list[Message]:
    """Note the new events of a model. Returns the messages that wait to be carried, oldest first."""
    store.run("messages/note", model=model, present=present)
    return list_messages(store, model)


def list_messages(store: Store, model: str) -> list[Message]:
    """The messages that wait to be carried, oldest first."""
    rows = store.fetch("messages/waiting", model=model)
    return [Message(**{**row, "sent_by": tuple(row["sent_by"])}) for row in rows]


def note_carried(store: Store, message: Message, route: str) -> None:
    """Keep that a route has carried a message, so that it never does again."""
    store.run("messages/carried", message_id=message.message_id, route=route)


def note_tried(store: Store, message: Message, failure: str | None) -> bool:
    """Keep the end of an attempt. True when the message is over: carried by all, or given up after `PATIENCE`."""
    row = store.fetch_one("messages/tried", message_id=message.message_id, failure=failure, patience=PATIENCE)
    return row is None or bool(row["is_over"])
