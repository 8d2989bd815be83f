"""The app of the page, which Airflow's API server serves under `/cyclone`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cyclone.alerts.receiving import MODEL_NAME
from cyclone.errors import ConfigurationError, CycloneError, LineageError, StoreError
from cyclone.names import name_dag
from cyclone.page.doing import ACTIONS
from cyclone.page.fleet import show_fleet
from cyclone.page.incident import show_incident, show_run
from cyclone.page.log import show_log
from cyclone.page.model import PREFIX, Notice, Visit, show_model
from cyclone.page.rendering import HEADERS, STATIC, quote_part, render
from cyclone.page.verdicts import show_verdicts
from cyclone.settings import Settings, read_settings
from cyclone.store import Store
from cyclone.wording import finish_sentence, read_reason
from cyclone_airflow.page.access import PageAccess, is_foreign
from cyclone_airflow.page.doing import Do, do

PATIENCE_SECONDS = 10
"""How long one statement may take. A person has looked elsewhere by then, and other users wait for the thread."""
MOST_BYTES = 8_192
"""The longest form. A reason has at most 500 characters, each of up to twelve bytes in a form."""
SAID = "cyclone_said"
"""The cookie that carries what became of an action to the page that is shown next."""
MOST_SAID = 1_500
"""The most characters of a message in a cookie. A browser drops a cookie of more than 4 KB."""
AWAY = "The evaluation store does not answer, or was not migrated. Nothing was changed. Try again in a minute."
View = Callable[[Store, str, Visit], str]
log = logging.getLogger("cyclone.page")


class Page:
    """The views and actions of the page for these settings. `base_url` is the address that Airflow's users have."""

    def __init__(self, access: PageAccess, settings: Settings, act: Do = do, base_url: str = "") -> None:
        self._access, self._settings, self._do, self._base_url = access, settings, act, base_url

    def build_app(self) -> Starlette:
        """The app with all addresses."""
        models = [
            Route("/models/{model}", self._show(show_model)),
            Route("/models/{model}/verdicts", self._show(show_verdicts)),
            Route("/models/{model}/log", self._show(show_log)),
            Route("/models/{model}/incidents/{number:int}", self._show(show_incident)),
            Route("/models/{model}/runs/{run_id:path}", self._show(show_run)),
            Route("/models/{model}/{action}", self._guard(self._act), methods=["POST"]),
        ]
        tabs = [Route("/tab", self._guard(self._show_dag)), Route("/run", self._guard(self._show_dag))]
        static = Mount("/static", StaticFiles(directory=STATIC))
        return Starlette(routes=[Route("/", self._guard(self._show_fleet)), *models, *tabs, static])

    def _guard(self, answer: Callable[[Request, Any], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The answer to a user who is logged in. Whatever goes wrong is told on a page of its own."""

        async def guarded(request: Request) -> Response:
            if request.method == "POST" and is_foreign(request, self._base_url):
                return _tell(request, HTTPStatus.FORBIDDEN, "Refused", "This was sent by a page of another site.")
            user = await self._access.find_user(request)
            if user is None:
                return _ask_to_log_in(request)
            try:
                return await answer(request, user)
            except StoreError as error:
                log.error("the page could not be shown: %s", error)
                status, title = HTTPStatus.SERVICE_UNAVAILABLE, "No answer from the store"
                return _tell(request, status, title, AWAY, is_retried=True)
            except (ConfigurationError, LineageError) as error:
                return _tell(request, HTTPStatus.NOT_FOUND, "Nothing is known of it", str(error))
            except Exception:
                log.exception("%s %s could not be answered", request.method, request.url.path)
                words = "This is a fault of Cyclone's own. The log of Airflow's API server tells more."
                return _tell(request, HTTPStatus.INTERNAL_SERVER_ERROR, "It cannot be shown", words)

        return guarded

    def _show(self, view: View) -> Callable[[Request], Awaitable[Response]]:
        """The view of a model that the address names, for who may see it."""

        async def show(request: Request, user: Any) -> Response:
            return await asyncio.to_thread(self._show_model, request, user, request.path_params["model"], view)

        return self._guard(show)

    async def _show_fleet(self, request: Request, user: Any) -> Response:
        chosen = request.query_params.get("show", "")
        seen = await asyncio.to_thread(self._access.list_seen, user)
        return _answer(await asyncio.to_thread(show_fleet, self._store, _find_root(request), seen, chosen))

    async def _show_dag(self, request: Request, user: Any) -> Response:
        """A tab of a DAG or of a run. Airflow shows it on every DAG, so it says when a DAG is not Cyclone's."""
        dag_id, run_id = request.query_params.get("dag", ""), request.query_params.get("run")
        for kind in ("monitor", "retrain"):
            prefix = name_dag(kind, "")
            if dag_id.startswith(prefix):
                model = dag_id.removeprefix(prefix)
                view: View = show_run if run_id is not None and kind == "retrain" else show_model
                return await asyncio.to_thread(self._show_model, request, user, model, view)
        words = f"{dag_id or 'This DAG'} is not one of Cyclone's: its DAGs are monitor__… and retrain__… of each model."
        return _tell(request, HTTPStatus.OK, "Not a model's DAG", words)

    def _show_model(self, request: Request, user: Any, model: str, view: View) -> Response:
        if not MODEL_NAME.fullmatch(model):
            return _tell(request, HTTPStatus.NOT_FOUND, "No such model", "No model can have this name.")
        if not self._access.may_see(user, model):
            words = f"You may not read {name_dag('monitor', model)}, so you do not see {model}."
            return _tell(request, HTTPStatus.FORBIDDEN, "Not yours to see", words)
        said = request.cookies.get(SAID)
        visit = Visit(
            root=_find_root(request),
            query={**request.path_params, **request.query_params},
            may_act=self._access.may_act(user, model),
            message=_read_said(said) if said else None,
            is_replay=self._settings.clock == "replay",
        )
        answer = _answer(view(self._store, model, visit))
        if said:
            answer.delete_cookie(SAID, path=_find_root(request))
        return answer

    async def _act(self, request: Request, user: Any) -> Response:
        """Do what a form asks for, and lead to the model's page, which says what became of it."""
        model, action = request.path_params["model"], ACTIONS.get(request.path_params["action"])
        if action is None:
            return _tell(request, HTTPStatus.NOT_FOUND, "No such action", f"There is: {', '.join(ACTIONS)}.")
        if not MODEL_NAME.fullmatch(model) or not await asyncio.to_thread(self._access.may_act, user, model):
            words = f"You may not start {name_dag('retrain', model)}, so you may not act on {model}."
            return _tell(request, HTTPStatus.FORBIDDEN, "Not yours to do", words)
        form = await _read_form(request)
        if form is None:
            return _tell(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too long", "The reason is too long.")
        name = self._access.name_user(user)
        try:
            because = read_reason(form.get("because", [""])[0])
            if not because:
                raise ConfigurationError("Because is empty: say why. The reason is kept with your name")
            done = await asyncio.to_thread(
                self._do,
                self._settings,
                action.name,
                model,
                name,
                because,
                form.get("despite", []),
                _read_version(form),
            )
            message = Notice(done, is_fault=False)
            log.info("%s of %s by %s: %s", action.name, model, name, done)
        except CycloneError as error:
            log.warning("%s of %s by %s came to nothing: %s", action.name, model, name, error)
            message = Notice(str(error), is_fault=True)
        return _lead_back(request, model, message)

    @property
    def _store(self) -> Store:
        return Store(self._settings.store_dsn, PATIENCE_SECONDS)


def build_page() -> Starlette:
    """The app for the settings of this process and Airflow's own users."""
    from airflow.configuration import conf

    from cyclone_airflow.page.access import AirflowAccess

    base_url = conf.get("api", "base_url", fallback="")
    return Page(AirflowAccess(), read_settings(), base_url=base_url or "").build_app()


async def _read_form(request: Request) -> dict[str, list[str]] | None:
    """The fields of a form. None for one that is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return parse_qs(body.decode(errors="replace"), keep_blank_values=True)


def _read_version(form: dict[str, list[str]]) -> int | None:
    """The version that a user has seen beside a form. Errors: `ConfigurationError` for what is no number."""
    text = form.get("version", [""])[0]
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ConfigurationError(f"version is {text[:20]!r}: it must be a version's number. Load the page again")
    return int(text) if text else None


def _lead_back(request: Request, model: str, message: Notice) -> Response:
    """A 303, so that loading the page again does nothing again."""
    root = _find_root(request)
    answer = RedirectResponse(f"{root}/models/{quote_part(model)}", HTTPStatus.SEE_OTHER, headers=dict(HEADERS))
    text = ("!" if message.is_fault else "") + message.words[:MOST_SAID]
    answer.set_cookie(SAID, quote(text)[: 2 * MOST_SAID], max_age=60, path=root, httponly=True, samesite="strict")
    return answer


def _read_said(text: str) -> Notice:
    words = unquote(text, errors="replace")
    return Notice(words.removeprefix("!"), words.startswith("!"))


def _find_root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _answer(html: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return HTMLResponse(html, status, headers=dict(HEADERS))


def _ask_to_log_in(request: Request) -> Response:
    root = _find_root(request).removesuffix(PREFIX)
    link = {"href": f"{root}/auth/login", "words": "Log in", "out": True}
    html = render(
        "message",
        root=_find_root(request),
        title="You are logged out",
        words="Log in to Airflow to see your models.",
        link=link,
    )
    return _answer(html, HTTPStatus.UNAUTHORIZED)


def _tell(request: Request, status: HTTPStatus, title: str, words: str, *, is_retried: bool = False) -> Response:
    root = _find_root(request)
    link = {"href": f"{root}/", "words": "All models", "out": False}
    if is_retried:
        link = {"href": str(request.url.replace(scheme="", netloc="")), "words": "Try again", "out": False}
    return _answer(render("message", root=root, title=title, words=finish_sentence(words), link=link), status)
