"""Who looks at the page, by Airflow's own auth manager, and what that person may see and do."""

from collections.abc import Collection
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request

from cyclone.names import name_dag


class PageAccess(Protocol):
    """What the page asks about its users. Airflow answers it, and tests answer it in Airflow's place."""

    async def find_user(self, request: Request) -> Any | None:
        """The user of a request. None when nobody is logged in."""

    def name_user(self, user: Any) -> str:
        """The name that is kept with what a user does."""

    def list_seen(self, user: Any) -> Collection[str]:
        """The models that a user may see."""

    def may_see(self, user: Any, model: str) -> bool:
        """Whether a user may see a model."""

    def may_act(self, user: Any, model: str) -> bool:
        """Whether a user may start, promote and roll back a model."""


class AirflowAccess:
    """The answers of Airflow's auth manager.

    Who may read the DAG `monitor__<model>` sees the model. Who may start a run of `retrain__<model>` acts on it.
    """

    async def find_user(self, request: Request) -> Any | None:
        from airflow.api_fastapi.core_api.security import get_user
        from fastapi import HTTPException
        from fastapi.security import HTTPAuthorizationCredentials

        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = HTTPAuthorizationCredentials(scheme=scheme, credentials=token) if token else None
        try:
            return await get_user(request, None, bearer)
        except HTTPException:
            return None

    def name_user(self, user: Any) -> str:
        return str(user.get_name())

    def list_seen(self, user: Any) -> Collection[str]:
        from airflow.api_fastapi.app import get_auth_manager

        prefix = name_dag("monitor", "")
        found = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
        return {dag_id.removeprefix(prefix) for dag_id in found if dag_id.startswith(prefix)}

    def may_see(self, user: Any, model: str) -> bool:
        from airflow.api_fastapi.app import get_auth_manager

        details = _describe_dag(name_dag("monitor", model))
        return bool(get_auth_manager().is_authorized_dag(method="GET", details=details, user=user))

    def may_act(self, user: Any, model: str) -> bool:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

        details = _describe_dag(name_dag("retrain", model))
        return bool(
            get_auth_manager().is_authorized_dag(
                method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
            )
        )


def _describe_dag(dag_id: str) -> Any:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.models.dag import DagModel

    return DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))


def is_foreign(request: Request, base_url: str) -> bool:
    """Whether a request was sent by another site's page. A browser says so with each form that it sends.

    Behind a proxy that changes the host, the address that users have, `base_url`, is allowed as well. A program sends
    no origin and has to show a token.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return False
    own = {request.headers.get("host", ""), urlsplit(base_url).netloc} - {""}
    return urlsplit(origin).netloc not in own
