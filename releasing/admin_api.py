"""The connection to Cloud Run's Admin API: its clients, the time that calls may take, and the errors of calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cyclone.errors import ReleaseError
from cyclone.settings import Settings

GOOGLE_ENDPOINT = "https://run.googleapis.com"
# How long one call may wait for its answer. The API only notes a change and answers, so seconds are plenty.
REQUEST_SECONDS = 30
ROLLOUT_SECONDS = 300
"""A roll-out that takes longer counts as failed. A start may take `PROBE_COUNT` seconds of it."""
RETRY_SECONDS = 60.0
"""For how long a call is tried again that is answered 429 or 5xx. A longer outage is the task's own retry."""


class AdminApi:
    """The Admin API of one Google project and location.

    An empty endpoint stands for Google's, with application default credentials. An `http` endpoint is asked without
    credentials.
    """

    def __init__(self, settings: Settings, retry_seconds: float) -> None:
        self._retry_seconds = retry_seconds
        self._endpoint = settings.cloud_run_endpoint or GOOGLE_ENDPOINT
        self._clients: dict[str, Any] = {}
        self.project = f"projects/{settings.cloud_run_project}"
        self.parent = f"{self.project}/locations/{settings.cloud_run_location}"

    def client(self, kind: str) -> Any:
        """A client of `google.cloud.run_v2`, by the name of its class."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import run_v2

        if kind not in self._clients:
            self._clients[kind] = getattr(run_v2, kind)(
                credentials=AnonymousCredentials() if self._endpoint.startswith("http://") else None,
                transport="rest",  # gRPC has never been tried with Cyclone
                client_options={"api_endpoint": self._endpoint},
            )
        return self._clients[kind]

    def path(self, service: str, revision: str = "") -> str:
        """The full name of a service, or of one of its revisions."""
        path = f"{self.parent}/services/{service}"
        return f"{path}/revisions/{revision}" if revision else path

    @property
    def place(self) -> str:
        """The endpoint, project and location, as error messages name them."""
        return f"{self._endpoint} ({self.parent})"

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Turn what fails within a `with` block into a `ReleaseError` with the endpoint."""
        import requests
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        try:
            yield
        except requests.RequestException as error:
            raise ReleaseError(
                f"Cloud Run at {self.place} does not answer. Look whether it runs at this address: {error}"
            ) from error
        except (GoogleAPIError, GoogleAuthError, TimeoutError) as error:
            raise ReleaseError(f"Cloud Run at {self.place} refused: {error}") from error

    def wait(self, operation: Any) -> None:
        """Wait for the end of an operation, for at most `ROLLOUT_SECONDS`."""
        from google.api_core.future.polling import DEFAULT_POLLING

        polling = DEFAULT_POLLING.with_delay(initial=0.1, maximum=2)  # asks again until the operation is complete
        polling = polling.with_timeout(ROLLOUT_SECONDS)
        operation.result(timeout=ROLLOUT_SECONDS, retry=self.call["retry"], polling=polling)

    @property
    def call(self) -> dict[str, Any]:
        """The options of each call. What fails for the moment is tried again, with growing pauses."""
        from google.api_core import exceptions
        from google.api_core.retry import Retry, if_exception_type

        passing = if_exception_type(
            exceptions.TooManyRequests,
            exceptions.InternalServerError,
            exceptions.BadGateway,
            exceptions.ServiceUnavailable,
            exceptions.GatewayTimeout,
        )
        retry = Retry(passing, initial=0.2, multiplier=2, maximum=10, timeout=self._retry_seconds)
        return {"retry": retry, "timeout": REQUEST_SECONDS}
