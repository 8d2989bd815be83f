"""Cyclone's plugin of Airflow: the page under `/cyclone`, and the webhooks under `/cyclone/webhooks`.

Every process of Airflow loads plugins. This one costs the others nothing, because its apps are imported at the first
request.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger("cyclone.alerts")
UNUSABLE = "Cyclone's settings cannot be used: the log of Airflow's API server says why"


class LazyApp:
    """An ASGI app that is imported when the first request comes, which only an API server gets.

    Imports and settings take seconds and may ask the network, so a thread waits for them. Where the settings cannot be
    used, each request is answered so by `refuse`, and the next one tries again.
    """

    def __init__(self, name: str, build: Callable[[], Any], refuse: Callable[[], Any]) -> None:
        self._name, self._build, self._refuse = name, build, refuse
        self._app: Any = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._lock:
            app = self._app or await asyncio.to_thread(self._find)
        await app(scope, receive, send)

    def _find(self) -> Any:
        """The app, or an answer in its place that says that there is none."""
        from cyclone.errors import ConfigurationError

        try:
            self._app = self._build()
        except ConfigurationError as error:
            log.error("%s, as the settings cannot be used: %s", self._name, error)
            return self._refuse()
        return self._app


def make_webhooks() -> LazyApp:
    """The app of the webhooks."""

    def build() -> Any:
        from cyclone_airflow.webhook_app import build_app

        return build_app()

    def refuse() -> Any:
        from starlette.responses import JSONResponse

        from cyclone_airflow.webhook_app import AGAIN_SECONDS

        headers = {"Retry-After": str(AGAIN_SECONDS)}
        return JSONResponse({"error": UNUSABLE}, status_code=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)

    return LazyApp("no alert can be taken", build, refuse)


def make_page() -> LazyApp:
    """The app of the page."""

    def build() -> Any:
        from cyclone_airflow.page.app import build_page

        return build_page()

    def refuse() -> Any:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(UNUSABLE, status_code=HTTPStatus.SERVICE_UNAVAILABLE)

    return LazyApp("the page cannot be shown", build, refuse)


ICONS = dict.fromkeys(("icon", "icon_dark_mode"), "cyclone/static/icon.svg")


class CyclonePlugin(AirflowPlugin):
    """The plugin that Airflow finds by the entry point `airflow.plugins`."""

    name = "cyclone"
    # The webhooks come first, because the first prefix that fits is taken.
    fastapi_apps: list[Any] = [  # noqa: RUF012
        {"app": make_webhooks(), "url_prefix": "/cyclone/webhooks", "name": "Cyclone's webhooks"},
        {"app": make_page(), "url_prefix": "/cyclone", "name": "Cyclone's page"},
    ]
    # Addresses without a slash at their beginning also work where Airflow lives under a path. Airflow shows a tab on
    # every DAG. On those of others, it says in one line that they are none of Cyclone's.
    external_views: list[Any] = [  # noqa: RUF012
        {"name": "Cyclone", "href": "cyclone/", "destination": "nav", "url_route": "cyclone", "nav_top_level": True}
        | ICONS,
        {"name": "Model", "href": "cyclone/tab?dag={DAG_ID}", "destination": "dag", "url_route": "cyclone-model"}
        | ICONS,
        {
            "name": "Gate and canary",
            "href": "cyclone/run?dag={DAG_ID}&run={RUN_ID}",
            "destination": "dag_run",
            "url_route": "cyclone-run",
        }
        | ICONS,
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
