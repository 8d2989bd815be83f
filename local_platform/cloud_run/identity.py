"""Who may call a service: service accounts with key files, the issuer of their ID tokens, and the check of a request.

It stands in for Google's. `google-auth` reads a key file through GOOGLE_APPLICATION_CREDENTIALS, and gets its tokens
from the address in it, which is the stand-in's own `/token`.
"""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from google.auth import crypt, jwt

from local_platform.cloud_run.errors import ApiError, Status

GOOGLE_ISSUER = "https://accounts.google.com"
ASSERTION_AUDIENCE = "https://oauth2.googleapis.com/token"
"""The audience of an account's own assertion. `google-auth` writes it whatever address the tokens come from."""
TOKEN_SECONDS = 3600  # as long as Google's live
EVERYBODY = "allUsers"
INVOKER_ROLE = "roles/run.invoker"
# The header that Cloud Run reads first, for services that read `Authorization` themselves.
HEADERS = ("X-Serverless-Authorization", "Authorization")


@dataclass
class AccessRefused(Exception):  # noqa: N818 (it is an answer, not a fault)
    """A request that Cloud Run answers in the service's place, with this status code and text."""

    status: int
    text: str


class Issuer:
    """The service accounts of one project, and the tokens that it gives them.

    `address` is that of the Admin API, which has the path `/token`.
    """

    def __init__(self, directory: Path, address: str, project: str, names: Collection[str]):
        directory.mkdir(parents=True, exist_ok=True)
        self._token_uri = f"{address}/token"
        self._signer, self._certificate = _read_key(directory / "issuer.pem")
        self._accounts: dict[str, bytes] = {}
        for name in names:
            email = f"{name}@{project}.iam.gserviceaccount.com"
            _, self._accounts[email] = _read_key(directory / f"{name}.pem")
            key = {
                "type": "service_account",
                "project_id": project,
                "private_key_id": name,
                "private_key": (directory / f"{name}.pem").read_text(),
                "client_email": email,
                "token_uri": self._token_uri,
            }
            _write_private(directory / f"{name}.json", json.dumps(key))

    def has_account(self, email: str) -> bool:
        """Whether there is such a service account."""
        return email in self._accounts

    def give_token(self, assertion: str) -> dict[str, Any]:
        """What an account gets for its signed assertion: an ID token for its `target_audience`, or an access token."""
        try:
            email = str(jwt.decode_header(assertion) and jwt.decode(assertion, verify=False)["iss"])
            claims = jwt.decode(assertion, certs=self._accounts[email], audience=ASSERTION_AUDIENCE)
        except (ValueError, KeyError) as error:
            raise ApiError(Status.INVALID_ARGUMENT, f"invalid_grant: {error}") from error
        wanted = claims.get("target_audience", "")
        token = self._sign(email, wanted or self._token_uri)
        return {"id_token": token} if wanted else {"access_token": token, "expires_in": TOKEN_SECONDS}

    def _sign(self, email: str, audience: str, seconds: int = TOKEN_SECONDS) -> str:
        now = int(time.time())
        claims = {"iss": GOOGLE_ISSUER, "aud": audience, "email": email, "sub": email, "iat": now, "exp": now + seconds}
        return str(jwt.encode(self._signer, claims).decode())

    def check(self, headers: Mapping[str, str], audiences: Collection[str], invokers: Collection[str]) -> None:
        """Check that a request comes from one of the invokers, and is meant for this service.

        Errors: `AccessRefused` with 403 without a token or the role, and with 401 for a token that does not hold.
        """
        if EVERYBODY in invokers:
            return
        token = next((headers[name] for name in HEADERS if name in headers), "")
        if not token.lower().startswith("bearer "):
            raise AccessRefused(
                403, "Forbidden: your client does not have permission to get this URL. It sent no ID token.\n"
            )
        try:
            claims = jwt.decode(token.split(" ", 1)[1], certs=self._certificate)
        except ValueError as error:
            raise AccessRefused(401, f"Unauthorized: the access token could not be verified. {error}\n") from error
        if claims["aud"] not in audiences:
            raise AccessRefused(401, f"Unauthorized: the token's audience {claims['aud']} is not this service.\n")
        if f"serviceAccount:{claims['email']}" not in invokers:
            raise AccessRefused(
                403, f"Forbidden: {claims['email']} has no permission run.routes.invoke on this service.\n"
            )


def list_invokers(bindings: Collection[Mapping[str, Any]]) -> set[str]:
    """The members who may call a service, by the bindings of its policy."""
    return {member for each in bindings if each["role"] == INVOKER_ROLE for member in each["members"]}


def remove_signature(value: str) -> str:
    """A checked token as a service gets it: Cloud Run takes the signature out, so that nobody can use it again."""
    head, dot, _ = value.rpartition(".")
    return f"{head}.SIGNATURE_REMOVED_BY_GOOGLE" if dot else value


def _read_key(path: Path) -> tuple[crypt.RSASigner, bytes]:
    """The signer and the public key of a key file, which is made if there is none."""
    if not path.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        _write_private(path, pem.decode())
    pem = path.read_bytes()
    public = load_pem_private_key(pem, password=None).public_key()
    signer = crypt.RSASigner.from_string(pem)
    return signer, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
