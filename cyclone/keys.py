"""Bearer keys of a service's clients, and of who sends alerts, kept as a file of their hashes.

A deployment carries the content of the file to a revision. A key is 256 random bits, so it cannot be guessed from its
hash, and one SHA-256 is enough. The slow hash that passwords need would cost every request milliseconds.
"""

import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from cyclone.errors import ConfigurationError
from cyclone.image_contract import API_KEYS_FILE_VARIABLE, API_KEYS_VARIABLE
from cyclone.settings import Settings

KeyScope = Literal["predict", "label", "alert"]
SCOPES: tuple[KeyScope, ...] = get_args(KeyScope)
"""What a key may be for."""
SERVICE_SCOPES: tuple[KeyScope, ...] = ("predict", "label")
"""The scopes that a model's service knows. The scope `alert` is for the webhooks in Airflow's API server."""
KEY_BYTES = 32
"""The random bytes of a key. 32 are as many as its hash has, and cannot be guessed."""
MOST_PACKED_BYTES = 32 * 1024
"""The most bytes of one environment variable on Cloud Run, as its page of quotas says. About 170 keys fit."""
PREFIX = "cyclone_"
"""The beginning of every key. People and scanners for leaked secrets recognise a key by it."""
Refusal = Literal["missing", "unknown", "out_of_scope"]
logger = logging.getLogger("bentoml.keys")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key: its name, hash, scopes and ISO time. The key itself is never kept."""

    name: str
    sha256: str
    scopes: tuple[str, ...]
    created_at: str


class KeyRing:
    """The keys that a service accepts, from a file or from a text. A file is read again whenever it changes.

    A file that cannot be read later changes nothing. The keys known so far stay, and the log says so.
    Errors: `ConfigurationError` when the keys cannot be read at first. A service that demands keys then must not start.
    """

    def __init__(self, source: Path | str) -> None:
        self._path = source if isinstance(source, Path) else None
        self._seen = _stat(self._path)
        self._keys = _to_digests(_read_source(source))

    def check(self, authorization: str | None, scope: KeyScope | None) -> Refusal | None:
        """Why an `Authorization` header is refused for a scope. None when it holds a key for the scope.

        Without a scope any known key will do.
        """
        self._follow()
        kind, _, token = (authorization or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return "missing"
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        found: frozenset[str] | None = None
        # All keys are compared, so that the time of an answer tells nothing about them.
        for known, scopes in self._keys:
            if hmac.compare_digest(known, digest):
                found = scopes
        if found is None:
            return "unknown"
        return None if scope is None or scope in found else "out_of_scope"

    def has_scope(self, scope: KeyScope) -> bool:
        """Whether any key is for a scope."""
        self._follow()
        return any(scope in scopes for _, scopes in self._keys)

    def _follow(self) -> None:
        seen = _stat(self._path)
        if self._path is None or seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = _to_digests(read_keys(self._path))
        except ConfigurationError as error:
            logger.error("the keys known so far stay in force: %s", error)
        else:
            logger.info("%d keys are in force", len(self._keys))


def find_source(settings: Settings) -> Path | str | None:
    """The source of this process's keys: a file or a text. None when the process asks nobody for a key.

    Errors: `ConfigurationError` when both are set, because they may differ.
    """
    if settings.api_keys is not None and settings.api_keys_file is not None:
        raise ConfigurationError(
            f"{API_KEYS_VARIABLE} and {API_KEYS_FILE_VARIABLE} are both set: unset one of them, as only one can count"
        )
    return settings.api_keys_file if settings.api_keys is None else settings.api_keys


def pack_keys(settings: Settings) -> str:
    """The keys of this process as JSON text, as a deployment carries them. Empty when there are none.

    A service gets only the scopes that it knows, and no key without one. A revision of older code refuses any other.
    Errors: `ConfigurationError` when they cannot be read, or are too many for one variable on Cloud Run.
    """
    source = find_source(settings)
    if source is None:
        return ""
    keys = [_keep_service_scopes(key) for key in _read_source(source)]
    keys = [key for key in keys if key.scopes]
    text = json.dumps({"keys": [asdict(key) for key in keys]}, separators=(",", ":"))
    if len(text.encode()) > MOST_PACKED_BYTES:
        raise ConfigurationError(
            f"{len(keys)} keys take {len(text.encode()):,} bytes, and a variable on Cloud Run holds"
            f" {MOST_PACKED_BYTES:,}: revoke those that nobody uses with `cyclone keys revoke`"
        )
    return text


def _read_source(source: Path | str) -> list[ApiKey]:
    return read_keys(source) if isinstance(source, Path) else parse_keys(source)


def _keep_service_scopes(key: ApiKey) -> ApiKey:
    return replace(key, scopes=tuple(scope for scope in key.scopes if scope in SERVICE_SCOPES))


def read_keys(path: Path) -> list[ApiKey]:
    """The keys of a file. Errors: `ConfigurationError` naming the file and what is wrong with it."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not readable: {error}. `cyclone keys add NAME` makes it") from error
    return parse_keys(text, str(path))


def parse_keys(text: str, place: str = API_KEYS_VARIABLE) -> list[ApiKey]:
    """The keys in the content of a file. Errors: `ConfigurationError` naming `place` and what is wrong there."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{place}: not valid JSON: {error}") from error
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ConfigurationError(
            f"{place}: the content must be a JSON object whose `keys` is a list of API keys. Take it away, and"
            " `cyclone keys add NAME` makes a new one"
        )
    return [_read_entry(place, index, entry) for index, entry in enumerate(entries)]


def add_key(path: Path, name: str, scopes: Sequence[KeyScope]) -> str:
    """Add a key under a new name to the file, and return it. It can never be read again.

    Errors: `ConfigurationError` for a name that is taken or not printable, and for a file that cannot be read.
    """
    if not name.strip() or not name.isprintable() or len(name) > 80:
        raise ConfigurationError(f"key name {name!r}: 1 to 80 printable characters are needed")
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    digest = hashlib.sha256(key.encode()).hexdigest()
    with _locked(path):
        keys = read_keys(path) if path.exists() else []
        if any(known.name == name for known in keys):
            raise ConfigurationError(
                f"key {name!r} is in {path} already: choose another name, or run `cyclone keys revoke {name!r}`"
            )
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        _write_keys(path, [*keys, ApiKey(name, digest, tuple(scopes), created_at)])
    return key


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of the file. Errors: `ConfigurationError` naming the keys that exist."""
    with _locked(path):
        keys = read_keys(path)
        left = [key for key in keys if key.name != name]
        if len(left) == len(keys):
            known = ", ".join(sorted(key.name for key in keys)) or "none"
            raise ConfigurationError(f"key {name!r} is not in {path}. Keys there: {known}")
        _write_keys(path, left)


def _read_entry(place: str, index: int, entry: Any) -> ApiKey:
    try:
        key = ApiKey(entry["name"], entry["sha256"], tuple(entry["scopes"]), entry["created_at"])
        is_sound = isinstance(key.name, str) and len(bytes.fromhex(key.sha256)) == hashlib.sha256().digest_size
    except (KeyError, TypeError, ValueError):
        is_sound = False
    if not is_sound or not set(key.scopes) <= set(SCOPES):
        words = f"name, sha256 (64 hexadecimal digits), scopes (of {', '.join(SCOPES)}) and created_at"
        raise ConfigurationError(f"{place}: keys[{index}]: an object with {words} is needed")
    return key


def _write_keys(path: Path, keys: Sequence[ApiKey]) -> None:
    """Replace the file in one step. It keeps its mode, and only its owner can read a new one."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=2)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A lock on a keys file. Two processes that change the file wait for each other."""
    # The lock is a file beside it, because the keys file itself is replaced.
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _to_digests(keys: Sequence[ApiKey]) -> list[tuple[bytes, frozenset[str]]]:
    return [(bytes.fromhex(key.sha256), frozenset(key.scopes)) for key in keys]


def _stat(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
