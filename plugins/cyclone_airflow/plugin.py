"""Cyclone's plugin of Airflow: the webhooks, which Airflow's API server serves under `/cyclone/webhooks`.

Every process of Airflow loads plugins. This one costs the others nothing, as its app is imported at the first request.
"""

import asyncio
import logging
import os
from http import HTTPStatus
from typing import Any

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger("cyclone.alerts")


class LazyWebhooks:
    """An ASGI app that is imported when the first request comes, which only an API server gets.

    Imports and settings take seconds and may ask the network, so a thread waits for them. Where the settings cannot be
    used, each request is answered so, and the next one tries again.
    """

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._lock:
            app = self._app or await asyncio.to_thread(self._build)
        await app(scope, receive, send)

    def _build(self) -> Any:
        """The app, or an answer in its place that says that there is none."""
        from cyclone.errors import ConfigurationError
        from cyclone_airflow.webhook_app import AGAIN_SECONDS, build_app

        try:
            self._app = build_app()
        except ConfigurationError as error:
            from starlette.responses import JSONResponse

            log.error("no alert can be taken, as the settings cannot be used: %s", error)
            words = "Cyclone's settings cannot be used: the log of Airflow's API server says why"
            return JSONResponse(
                {"error": words},
                status_code=HTTPStatus.SERVICE_UNAVAILABLE,
                headers={"Retry-After": str(AGAIN_SECONDS)},
            )
        return self._app


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
