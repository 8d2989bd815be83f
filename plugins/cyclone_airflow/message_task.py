"""The task `send_messages` of `monitor__<model>`."""

import logging
from typing import TYPE_CHECKING

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

from cyclone.settings import read_settings
from cyclone.store import Store

if TYPE_CHECKING:
    from cyclone.messages.outbox import Message
    from cyclone.messages.routes import Route

log = logging.getLogger(__name__)


@task
def send_messages(model: str) -> list[str]:
    """Hand each message that waits to the notifiers that its routes name. Returns the texts that were carried.

    A route that fails is tried again by the next runs, and keeps no other route from its messages. This task fails
    then, so that a mail server that is away can be seen.
    """
    from cyclone.messages.outbox import list_messages, note_carried, note_tried
    from cyclone.messages.routes import read_routes

    settings = read_settings()
    store, routes = Store(settings.store_dsn), read_routes(settings.messages_file)
    link, told, failures = find_page(model), [], []
    for message in list_messages(store, model):
        failed = []
        for route in routes:
            if not route.carries(message) or route.name in message.sent_by:
                continue
            try:
                carry(route, message, link)
            except Exception as error:  # whatever a notifier raises, the other routes go on
                failed.append(f"{route.name}: {describe_failure(error)}")
            else:
                note_carried(store, message, route.name)
                told.append(message.text)
        if note_tried(store, message, "; ".join(failed) or None) and failed:
            log.error("given up: %s", message.text)
        failures += failed
    if failures:
        raise AirflowFailException(f"{len(failures)} messages were not carried. {failures[0]}")
    return told


def carry(route: "Route", message: "Message", link: str) -> None:
    """Hand a message to the notifier of a route. Errors: `ConfigurationError` naming a class that is no notifier."""
    from pkgutil import resolve_name

    from airflow.sdk import BaseNotifier

    from cyclone.errors import ConfigurationError
    from cyclone.messages.routes import fill_arguments

    try:
        kind = resolve_name(route.notifier)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"notifier {route.notifier!r} cannot be imported: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, BaseNotifier)):
        raise ConfigurationError(f"notifier {route.notifier!r} is no notifier of Airflow. Name a class of a provider")
    # Not by calling it, which would read the texts as templates of Jinja.
    kind(**fill_arguments(route.arguments, message, link)).notify({})


def describe_failure(error: Exception) -> str:
    """What went wrong, without the text of others' errors, which may hold an address with a secret in it."""
    from cyclone.errors import CycloneError

    if isinstance(error, CycloneError):
        return str(error)
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and isinstance(cause, Exception):
        causes.append(cause)
    return ", from ".join(type(each).__name__ for each in causes)


def find_page(model: str) -> str:
    """The address of the model's page in Airflow."""
    from airflow.sdk.configuration import conf

    address = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    return f"{address}/plugin/cyclone/cyclone/models/{model}"
