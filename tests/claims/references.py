"""Where documents lead: paths, links and variables of the environment."""

import re
from collections.abc import Iterator
from functools import cache

from cyclone.settings import Settings
from tests.claims.documents import REPOSITORY, Document

EXAMPLES = {"sql/checks/service/rejected_share.sql"}
"""Files that a document teaches to write."""
MADE_HERE = {".cyclone", ".venv"}
"""Folders that commands make: what is in them need not be there."""


def find_missing_paths(document: Document) -> Iterator[str]:
    """Spans that begin with a file or folder of ours and lead nowhere. `<name>` stands for any."""
    top = {path.name for path in REPOSITORY.iterdir()} - MADE_HERE
    words = [word.removesuffix("/") for span in document.spans for word in span.split()]
    for word in words:
        if word.split("/")[0] not in top or "/" not in word or word in EXAMPLES:
            continue
        if not any(REPOSITORY.glob(re.sub(r"<\w+>|…", "*", word))):
            yield f"`{word}`: there is no such file or folder"


def find_broken_links(document: Document) -> Iterator[str]:
    for link in document.links:
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (document.path.parent / target).resolve() if target else document.path
        if target and not path.exists():
            yield f"({link}): there is no {target}"
        elif anchor and anchor not in (document if not target else Document(path, path.read_text())).anchors:
            yield f"({link}): {path.name} has no heading for #{anchor}"


@cache
def list_variables() -> set[str]:
    """The `CYCLONE_` variables that are read: by the settings, by services, by Grafana and by `docker-compose.yaml`."""
    names = {f"CYCLONE_{name.upper()}" for name, field in Settings.model_fields.items() if not field.validation_alias}
    contract = (REPOSITORY / "cyclone" / "image_contract.py").read_text()
    provisioned = (REPOSITORY / "grafana" / "provisioning").rglob("*.*")
    of_grafana = {name for path in provisioned for name in re.findall(r"\$__env\{(\w+)\}", path.read_text())}
    of_compose = set(re.findall(r"\$\{(\w+)", (REPOSITORY / "docker-compose.yaml").read_text()))
    return names | of_grafana | of_compose | set(re.findall(r'"(CYCLONE_[A-Z_]+)"', contract))


def find_variables(text: str) -> set[str]:
    """The `CYCLONE_` variables that a text names."""
    return set(re.findall(r"\bCYCLONE_[A-Z]+(?:_[A-Z]+)*\b", text))


def find_unknown_variables(document: Document) -> Iterator[str]:
    for name in sorted(find_variables(document.text) - list_variables()):
        yield f"`{name}`: nothing reads this variable"
