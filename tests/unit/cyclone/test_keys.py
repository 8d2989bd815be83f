import json
import os
import threading
from pathlib import Path

import pytest

from cyclone.errors import ConfigurationError
from cyclone.keys import KeyRing, add_key, find_source, pack_keys, read_keys, revoke_key
from cyclone.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_opens_its_scopes_and_nothing_else(path: Path) -> None:
    both, label = add_key(path, "gateway", ("predict", "label")), add_key(path, "labeller", ("label",))
    ring = KeyRing(path)
    assert ring.check(f"Bearer {both}", "predict") is None
    assert ring.check(f"bearer {both}", "label") is None
    assert ring.check(f"Bearer {label}", "label") is None
    assert ring.check(f"Bearer {label}", "predict") == "out_of_scope"
    for header in (None, "", "Bearer", "Bearer ", both, f"Basic {both}"):
        assert ring.check(header, "predict") == "missing"
    for token in (both[:-1], both + "x", "ÿ", read_keys(path)[0].sha256):
        assert ring.check(f"Bearer {token}", "predict") == "unknown"


def test_the_file_holds_no_key_and_is_its_owners_alone(path: Path) -> None:
    key = add_key(path, "gateway", ("predict",))
    assert len(key) > 43
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    add_key(path, "another", ("predict",))
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(item.name for item in path.parent.iterdir()) == ["keys.json", "keys.json.lock"]


def test_keys_come_and_go_without_a_restart(path: Path) -> None:
    old = add_key(path, "old", ("predict",))
    ring = KeyRing(path)
    new = add_key(path, "new", ("predict",))
    assert [ring.check(f"Bearer {key}", "predict") for key in (old, new)] == [None, None]
    revoke_key(path, "old")
    assert [ring.check(f"Bearer {key}", "predict") for key in (old, new)] == ["unknown", None]
    revoke_key(path, "new")
    assert ring.check(f"Bearer {new}", "predict") == "unknown"


def test_a_file_that_breaks_leaves_the_keys_as_they_were_until_it_is_whole_again(path: Path) -> None:
    key = add_key(path, "gateway", ("predict",))
    ring, whole = KeyRing(path), path.read_text()
    for broken in ("{", "[]", '{"keys": [{}]}'):
        path.write_text(broken)
        assert ring.check(f"Bearer {key}", "predict") is None
    os.unlink(path)
    assert ring.check(f"Bearer {key}", "predict") is None
    path.write_text(whole.replace("predict", "label"))
    assert ring.check(f"Bearer {key}", "predict") == "out_of_scope"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not readable"),
        ("{", "not valid JSON"),
        ("[]", "the content must be a JSON object whose `keys` is a list of API keys"),
        ('{"keys": [7]}', r"keys\[0\]: an object with name, sha256"),
        (json.dumps({"keys": [{"name": "a", "sha256": "00", "scopes": [], "created_at": ""}]}), r"keys\[0\]"),
        (json.dumps({"keys": [{"name": "a", "sha256": "00" * 32, "scopes": ["all"], "created_at": ""}]}), r"keys\[0\]"),
    ],
)
def test_a_broken_file_is_refused_at_the_start(path: Path, content: str | None, words: str) -> None:
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=words):
        KeyRing(path)


def test_a_deployment_carries_the_hashes_and_a_service_asks_for_them(path: Path) -> None:
    key = add_key(path, "gateway", ("predict",))
    text = pack_keys(Settings(api_keys_file=path))
    assert key not in text
    ring = KeyRing(text)
    revoke_key(path, "gateway")
    assert ring.check(f"Bearer {key}", "predict") is None, "a text stays"
    assert ring.check(f"Bearer {key}", "label") == "out_of_scope"
    assert ring.check(None, "predict") == "missing"
    assert pack_keys(Settings(api_keys=text)) == text
    assert pack_keys(Settings()) == ""


def test_a_list_without_keys_lets_nobody_in(path: Path) -> None:
    key = add_key(path, "gateway", ("predict",))
    revoke_key(path, "gateway")
    text = pack_keys(Settings(api_keys_file=path))
    assert json.loads(text) == {"keys": []}
    assert KeyRing(text).check(f"Bearer {key}", "predict") == "unknown"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "CYCLONE_API_KEYS: not valid JSON"),
        ("{}", "CYCLONE_API_KEYS: the content must be a JSON object whose `keys` is a list of API keys"),
        ('{"keys": [7]}', r"CYCLONE_API_KEYS: keys\[0\]: an object with name"),
    ],
)
def test_a_broken_text_is_refused_where_it_is_carried_and_where_it_is_demanded(text: str, words: str) -> None:
    for read in (lambda: pack_keys(Settings(api_keys=text)), lambda: KeyRing(text)):
        with pytest.raises(ConfigurationError, match=words):
            read()


def test_whoever_is_told_two_places_of_keys_takes_neither(path: Path) -> None:
    settings = Settings(api_keys_file=path, api_keys="{}")
    with pytest.raises(ConfigurationError, match="CYCLONE_API_KEYS and CYCLONE_API_KEYS_FILE are both set: unset one"):
        find_source(settings)


def test_more_keys_than_a_variable_holds_are_refused_before_they_are_deployed() -> None:
    entry = {"name": "n" * 80, "sha256": "0" * 64, "scopes": ["predict"], "created_at": "2026-01-01T00:00:00+00:00"}
    text = json.dumps({"keys": [entry] * 160})
    with pytest.raises(ConfigurationError, match=r"160 keys take .* bytes, and a variable on Cloud Run holds 32,768"):
        pack_keys(Settings(api_keys=text))


def test_names_are_used_once_and_known_when_revoked(path: Path) -> None:
    add_key(path, "gateway", ("predict",))
    with pytest.raises(ConfigurationError, match=r"key 'gateway' is in .* already"):
        add_key(path, "gateway", ("predict",))
    with pytest.raises(ConfigurationError, match=r"key 'nobody' is not in .*\. Keys there: gateway"):
        revoke_key(path, "nobody")
    with pytest.raises(ConfigurationError, match="1 to 80 printable characters"):
        add_key(path, " ", ("predict",))


def test_keys_added_at_once_are_all_there(path: Path) -> None:
    names = [f"client {number}" for number in range(8)]
    threads = [threading.Thread(target=add_key, args=(path, name, ("predict",))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.name for key in read_keys(path)) == names


def test_a_deployment_carries_no_key_for_alerts(path: Path) -> None:
    add_key(path, "alertmanager", ("alert",))
    both = add_key(path, "gateway", ("predict", "alert"))
    packed = json.loads(pack_keys(Settings(api_keys_file=path)))
    assert [(key["name"], key["scopes"]) for key in packed["keys"]] == [("gateway", ["predict"])]
    assert KeyRing(json.dumps(packed)).check(f"Bearer {both}", "alert") == "out_of_scope"
