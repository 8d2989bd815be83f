"""How a service is called that asks for an ID token, as services on Cloud Run do unless that is switched off."""

from cyclone.errors import ReleaseError
from releasing.cloud_run import CloudRun

TOKEN_HEADER = "X-Serverless-Authorization"  # noqa: S105 (the name of a header)
"""Cloud Run reads this header first. `Authorization` is left for the bearer keys of the clients."""


def build_caller_headers(cloud: CloudRun, service: str) -> dict[str, str]:
    """The headers of a request to a service: an ID token of this process's account, if the service asks for one.

    The audience is the service's own address, also for requests to the address of a tag. A token lives for an hour.
    Errors: `ReleaseError` when there are no credentials that can get a token.
    """
    running = cloud.read_service(service)
    if running is None or running.is_open:
        return {}
    return {TOKEN_HEADER: f"Bearer {fetch_token(running.address)}"}


def fetch_token(audience: str) -> str:
    """An ID token for an audience, by application default credentials."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    try:
        return str(fetch_id_token(Request(), audience))  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        raise ReleaseError(
            f"{audience} asks for an ID token, and there are no credentials to get one: {error}. Run this with a"
            " service account that has roles/run.invoker on the service: on a machine of Google, or with the file that"
            " `gcloud auth application-default login --impersonate-service-account=ACCOUNT` writes, named by"
            " GOOGLE_APPLICATION_CREDENTIALS"
        ) from error
