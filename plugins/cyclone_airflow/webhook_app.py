"""The app of the webhooks: `POST /grafana` and `POST /alertmanager`, below `/cyclone/webhooks`.

It checks who sends before it reads the body, and who signed before it looks at what the body holds. Whatever happens,
it never redirects: Grafana would take the page that it is led to for success.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cyclone.alerts.credentials import AlertCredentials, Refused, RefusedAlert, read_stamp
from cyclone.alerts.judging import AlertAnswer
from cyclone.alerts.payload import AlertGroup, Body, read_group
from cyclone.alerts.receiving import Wake, receive
from cyclone.errors import AlertError, CycloneError, StoreError
from cyclone.settings import Settings, read_settings
from cyclone_airflow.waking import wake_monitor
from cyclone_airflow.webhook_bodies import BODY_SECONDS, MOST_BYTES, Bodies

MOST_AT_ONCE = 8
"""How many webhooks are acted on at once. Each is a transaction or more, on a connection of its own."""
TURN_SECONDS = 10.0
"""How long a webhook waits for its turn. Most take a second, and Grafana waits 30 s for all of it."""
AGAIN_SECONDS = 60
"""When to send again after a 503, by its `Retry-After`. Grafana ignores it, and sends at its next group interval."""
STATUSES: dict[RefusedAlert, HTTPStatus] = {
    "closed": HTTPStatus.SERVICE_UNAVAILABLE,
    "out_of_scope": HTTPStatus.FORBIDDEN,
}
"""The answers to requests that are refused for who sends them. All others get 401."""
log = logging.getLogger("cyclone.alerts")


def build_app(
    settings: Settings | None = None, wake: Wake = wake_monitor, now: Callable[[], float] = time.time
) -> Starlette:
    """The app for these settings, by default those of the process. `now` are seconds since 1970."""
    settings = settings or read_settings()
    webhook = Webhooks(settings, wake, now)
    routes = [Route(path, webhook.answer, methods=["POST"]) for path in ("/grafana", "/alertmanager")]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


class Webhooks:
    """The endpoint of both senders, whose bodies are of the same family."""

    def __init__(self, settings: Settings, wake: Wake, now: Callable[[], float]) -> None:
        self._settings, self._wake, self._now = settings, wake, now
        self._credentials = AlertCredentials(settings)
        self._bodies = Bodies()
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        # Its own threads, as Airflow's endpoints share 40. Half of them check who sends while the others act.
        self._threads = ThreadPoolExecutor(2 * MOST_AT_ONCE, "webhook")
        if self._credentials.problem:
            log.error("bearer keys open nothing here: %s", self._credentials.problem)

    async def answer(self, request: Request) -> Response:
        """202 with what became of each alert, 200 if nothing was recorded, else the reason in words."""
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        refused = await in_thread(self._credentials.check_head, request.headers, self._now())
        if refused:
            return _refuse(request, refused)
        try:
            body = await self._bodies.read(request)
        except TimeoutError:
            words = f"the body took more than {BODY_SECONDS:g} s, or longest of too many"
            return _tell(request, HTTPStatus.REQUEST_TIMEOUT, words)
        except ClientDisconnect:
            return _tell(request, HTTPStatus.BAD_REQUEST, "the body ended before its length")
        if body is None:
            return _tell(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {MOST_BYTES:,} bytes")
        refused = await in_thread(self._credentials.check_body, request.headers, body)
        return _refuse(request, refused) if refused else await self._act_in_turn(request, body)

    async def _act_in_turn(self, request: Request, body: Body) -> Response:
        """Act when it is the request's turn. Only who has proven who he is waits for one."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            return _tell(request, HTTPStatus.SERVICE_UNAVAILABLE, "too many webhooks come at once: send it again")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._act, request, body)
        finally:
            self._turns.release()

    def _act(self, request: Request, body: Body) -> Response:
        try:
            group = read_group(body)
            answers = receive(self._settings, group, self._wake, read_stamp(request.headers))
        except AlertError as error:
            return _tell(request, HTTPStatus.BAD_REQUEST, str(error))
        except StoreError as error:
            log.error("a webhook was not recorded: %s", error)
            return _tell(request, HTTPStatus.SERVICE_UNAVAILABLE, "the store does not answer: send it again")
        except CycloneError:
            log.exception("a webhook could not be answered")
            return _tell(request, HTTPStatus.INTERNAL_SERVER_ERROR, "Cyclone's own fault: its log tells more")
        return _answer(group, answers)


def _answer(group: AlertGroup, answers: list[AlertAnswer]) -> Response:
    for answer in answers:
        level = logging.WARNING if answer.result in ("refused", "hold") else logging.INFO
        if answer.result != "ignored":
            named = (answer.alert, group.sender, answer.action, answer.model)
            log.log(level, "alert %r of %s asks for %r of %r: %s, %s", *named, answer.result, answer.reason)
    if group.truncated:
        words = "%s left %d alerts out of a group, which do nothing: set maxAlerts to 0"
        log.warning(words, group.sender, group.truncated)
    status = HTTPStatus.ACCEPTED if any(answer.times for answer in answers) else HTTPStatus.OK
    said = {"alerts": [asdict(answer) for answer in answers], "truncated": group.truncated}
    return JSONResponse(said, status_code=status)


def _refuse(request: Request, refused: Refused) -> Response:
    return _tell(request, STATUSES.get(refused.kind, HTTPStatus.UNAUTHORIZED), refused.words, refused.detail)


def _tell(request: Request, status: HTTPStatus, words: str, detail: str = "") -> Response:
    """An answer in words, which the log has as well, with the detail. Neither holds a secret."""
    where = request.client.host if request.client else "?"
    log.warning("a webhook from %s is answered %d: %s", where, status, ". ".join(filter(None, [words, detail])))
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(AGAIN_SECONDS)
    return JSONResponse({"error": words}, status_code=status, headers=headers)
