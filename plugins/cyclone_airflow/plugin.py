"""Cyclone's plugin of Airflow: the webhooks, which Airflow's API server serves under `/cyclone/webhooks`.

Every process of Airflow loads plugins. This one costs the others nothing, as its app is imported at the first request.
"""

import logging
import os
from typing import Any

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger("cyclone.alerts")


class LazyWebhooks:
    """An ASGI app that is imported when the first request comes, which only an API server gets."""

    _app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if LazyWebhooks._app is None:
            from cyclone_airflow.webhook_app import build_app

            LazyWebhooks._app = build_app()
        await LazyWebhooks._app(scope, receive, send)


class CyclonePlugin(AirflowPlugin):
    """The plugin that Airflow finds by the entry point `airflow.plugins`."""

    name = "cyclone"
    # A page under `/cyclone` would have to stand after it, because the first prefix that fits is taken.
    fastapi_apps: list[Any] = [  # noqa: RUF012
        {"app": LazyWebhooks(), "url_prefix": "/cyclone/webhooks", "name": "Cyclone's webhooks"}
    ]


def say_if_closed() -> None:
    """Say in the log of an API server at its start if nobody can send an alert to it, and why."""
    from cyclone.alerts.credentials import AlertCredentials
    from cyclone.errors import ConfigurationError
    from cyclone.settings import read_settings

    try:
        closed = AlertCredentials(read_settings()).find_closed()
    except ConfigurationError as error:
        closed = str(error)
    if closed:
        log.warning("every alert to /cyclone/webhooks is refused: %s", closed)


if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server":
    say_if_closed()
