"""The routes of messages, from the file that `CYCLONE_MESSAGES_FILE` names."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cyclone.errors import ConfigurationError
from cyclone.messages.outbox import Message, Severity
from cyclone.sections.faults import load_yaml

FILE_VARIABLE = "CYCLONE_MESSAGES_FILE"


class Route(BaseModel):
    """One way to people: a notifier of Airflow with its arguments, and which messages it carries.

    Secrets are not here. They are in the connection of Airflow that the arguments name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    notifier: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$")
    """The class, with its module: `airflow.providers.apprise.notifications.apprise.AppriseNotifier`."""
    arguments: dict[str, Any] = {}
    """The class's arguments. In a text, `{title}`, `{text}`, `{html}`, `{link}`, `{model}` and `{severity}` are filled
    in."""
    models: tuple[str, ...] = ()
    """The models whose messages it carries. Without any, those of every model."""
    severities: tuple[Severity, ...] = ()
    """The severities that it carries. Without any, all."""

    def carries(self, message: Message) -> bool:
        """Whether a message goes this way."""
        of_model = not self.models or message.model in self.models
        return of_model and (not self.severities or message.severity in self.severities)


def read_routes(path: Path | None) -> tuple[Route, ...]:
    """The routes in a file. Without a file there are none.

    Errors: `ConfigurationError` naming the file, the place and the fault.
    """
    if path is None:
        return ()
    try:
        content = load_yaml(path)
        routes = TypeAdapter(tuple[Route, ...]).validate_python(content)
    except OSError as error:
        raise ConfigurationError(f"{FILE_VARIABLE}={path}: the file cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(
            f"{path}: {place}: {first['msg']}. A list of routes is needed, each with name, notifier and arguments"
        ) from error
    names = [route.name for route in routes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{path}: the name {twice[0]!r} stands twice. Each route needs a name of its own")
    return routes


def fill_arguments(arguments: Mapping[str, Any], message: Message, link: str) -> dict[str, Any]:
    """The arguments of a notifier for one message. Texts within lists and mappings are filled in too."""
    values = {
        "title": message.title,
        "text": f"{message.text}\n{link}",
        "html": f'<p>{escape(message.text)}</p><p><a href="{escape(link)}">{escape(link)}</a></p>',
        "link": link,
        "model": message.model,
        "severity": message.severity,
    }
    return {name: _fill(value, values) for name, value in arguments.items()}


def _fill(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        # In one pass, or a name in braces within a message would be filled in as well.
        parts = value.split("{")
        return parts[0] + "".join(_fill_part(part, values) for part in parts[1:])
    if isinstance(value, list):
        return [_fill(each, values) for each in value]
    if isinstance(value, dict):
        return {name: _fill(each, values) for name, each in value.items()}
    return value


def _fill_part(part: str, values: Mapping[str, str]) -> str:
    name, brace, rest = part.partition("}")
    return values[name] + rest if brace and name in values else "{" + part
