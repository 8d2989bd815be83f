"""Who may send alerts: whoever signs with the secret, or has a bearer key of the scope `alert`.

A signature is an HMAC of SHA-256 over the time, a colon and the body, as Grafana makes it when its contact point names
a header for the time. It proves the body, and that it was sent just now.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cyclone.alerts.payload import Body
from cyclone.errors import ConfigurationError
from cyclone.keys import KeyRing, find_source
from cyclone.settings import Settings

VARIABLE = "CYCLONE_WEBHOOK_SECRET_FILE"
"""The setting that names the secret's file."""
SIGNATURE_HEADER = "X-Grafana-Alerting-Signature"
"""Grafana's default for the header of its signature."""
TIMESTAMP_HEADER = "X-Grafana-Alerting-Timestamp"
"""The header of the time. Grafana sends none unless its contact point names one."""
MOST_AGE_SECONDS = 300
"""How far the sender's clock may be from ours. Grafana sends within 30 s, and synchronised clocks differ by less."""
LEAST_SECRET_BYTES = 16
"""The shortest secret. A shorter one can be guessed from one signed body."""

ASK_LOG = "the log of Airflow's API server says why"
"""What whoever asks is told of a fault of the server's own."""

RefusedAlert = Literal["closed", "unsigned", "stale", "forged", "unknown_key", "out_of_scope"]


@dataclass(frozen=True)
class Refused:
    """Why a webhook is refused: the kind, and words for the log and the answer that hold no secret.

    `detail` is for the log alone. Whoever asks has not proven who he is, so he learns no path and no setting.
    """

    kind: RefusedAlert
    words: str
    detail: str = ""


class AlertCredentials:
    """The secret and the keys of this process. Their files are read again whenever they change."""

    def __init__(self, settings: Settings) -> None:
        self._secret_file = settings.webhook_secret_file
        self.problem = ""
        """Why the keys cannot be used. Empty when they can, or when there are none."""
        self._keys: KeyRing | None = None
        try:
            source = find_source(settings)
            self._keys = None if source is None else KeyRing(source)
        except ConfigurationError as error:
            self.problem = str(error)

    def find_closed(self) -> str | None:
        """Why nobody can send an alert here, and what to do about it. None when somebody can."""
        if self._keys is not None and self._keys.has_scope("alert"):
            return None
        try:
            self._read_secret()
        except ConfigurationError as error:
            return ". ".join(filter(None, [str(error), self.problem]))
        return None

    def check_head(self, headers: Mapping[str, str], now: float) -> Refused | None:
        """Whether to refuse a request before its body is read. `now` are seconds since 1970."""
        if closed := self.find_closed():
            return Refused("closed", f"nobody can send alerts here at present: {ASK_LOG}", closed)
        if SIGNATURE_HEADER not in headers:
            return self._check_key(headers.get("Authorization"))
        stamp = headers.get(TIMESTAMP_HEADER, "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return Refused("unsigned", f"{TIMESTAMP_HEADER} is missing: name it in the contact point's HMAC settings")
        age = now - int(stamp)
        if abs(age) > MOST_AGE_SECONDS:
            when = f"{abs(age):.0f} s in the {'past' if age > 0 else 'future'} of this clock"
            return Refused("stale", f"signed {when}, at most {MOST_AGE_SECONDS} s are allowed")
        return self._check_secret()

    def check_body(self, headers: Mapping[str, str], body: Body) -> Refused | None:
        """Whether to refuse a request for its body. Its head has been checked before."""
        if SIGNATURE_HEADER not in headers:
            return None
        try:
            wanted = sign(self._read_secret(), headers[TIMESTAMP_HEADER], body)
        except ConfigurationError as error:
            return _refuse_signature(error)
        if not hmac.compare_digest(wanted.encode(), headers[SIGNATURE_HEADER].encode("utf-8", "replace")):
            return Refused("forged", "the signature is not that of this body and this time with the secret here")
        return None

    def _check_key(self, authorization: str | None) -> Refused | None:
        if self._keys is None or not self._keys.has_scope("alert"):
            return Refused("unsigned", f"{SIGNATURE_HEADER} is missing")
        refusal = self._keys.check(authorization, "alert")
        if refusal == "missing":
            return Refused("unsigned", f"neither {SIGNATURE_HEADER} nor a bearer key is there")
        if refusal == "unknown":
            return Refused("unknown_key", "the bearer key is not known")
        return Refused("out_of_scope", "the bearer key has not the scope alert") if refusal else None

    def _check_secret(self) -> Refused | None:
        try:
            self._read_secret()
        except ConfigurationError as error:
            return _refuse_signature(error)
        return None

    def _read_secret(self) -> bytes:
        path = self._secret_file
        if path is None:
            raise ConfigurationError(f"{VARIABLE} is empty: set it to a file with the secret of the webhooks")
        return read_secret(path)


def read_stamp(headers: Mapping[str, str]) -> datetime | None:
    """The time of the signature of a request that was not refused. None for a request with a key."""
    if SIGNATURE_HEADER not in headers:
        return None
    return datetime.fromtimestamp(int(headers[TIMESTAMP_HEADER]), UTC)


def _refuse_signature(error: ConfigurationError) -> Refused:
    return Refused("unsigned", f"no signature counts here: {ASK_LOG}", str(error))


def read_secret(path: Path) -> bytes:
    """The secret in a file, without the line's end. Errors: `ConfigurationError` when there is none, or a short one."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"{VARIABLE}={path}: not readable: {error.strerror}") from error
    if len(secret) < LEAST_SECRET_BYTES:
        raise ConfigurationError(
            f"{VARIABLE}={path}: the secret has {len(secret)} bytes, {LEAST_SECRET_BYTES} are needed"
        )
    return secret


def sign(secret: bytes, stamp: str, body: Body) -> str:
    """The signature of a body at a time in seconds since 1970, in hexadecimal digits. It makes no copy of the body."""
    code = hmac.new(secret, f"{stamp}:".encode(), hashlib.sha256)
    code.update(body)
    return code.hexdigest()
