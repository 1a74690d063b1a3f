"""The dashboards as YAML files: reading them, filling in addresses, and telling whether anything has changed.

A bundle is a directory as Superset exports one (type `assets`): ``metadata.yaml``, ``databases/``, ``datasets/``,
``charts/``, ``dashboards/``, linked by uuid. A database's ``sqlalchemy_uri`` and the texts on a dashboard may hold
``${NAME}``: it is taken from the environment, so that no password and no address is in the bundle. Nothing here talks
to a server.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

KINDS = ("databases", "datasets", "charts", "dashboards")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class BundleError(Exception):
    """The bundle cannot be imported; the message names the file and what is wrong with it."""


class Bundle(NamedTuple):
    """``contents``: path → YAML text, addresses filled in. ``owned``: kind → the uuids of its objects, sorted."""

    contents: dict[str, str]
    owned: dict[str, list[str]]


def read_bundle(directory: Path, environment: Mapping[str, str]) -> Bundle:
    """Read a bundle. Raises ``BundleError`` for a file that is no YAML object, has no uuid of its own, links to
    nothing, or names a variable that is not set."""
    contents: dict[str, str] = {}
    objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
    for path in sorted(directory.rglob("*.yaml")):
        name = path.relative_to(directory).as_posix()
        document = _load(path, name)
        kind = name.split("/")[0]
        if kind in KINDS:
            uuid = document.get("uuid")
            if not isinstance(uuid, str) or any(uuid in known for known in objects.values()):
                raise BundleError(f"{name}: its uuid is missing or not its own: {uuid}")
            objects[kind][uuid] = document
        if kind == "databases":
            document["sqlalchemy_uri"] = _filled(str(document.get("sqlalchemy_uri", "")), name, environment)
        for node in _nodes(document, "MARKDOWN") if kind == "dashboards" else ():
            node["meta"]["code"] = _filled(node["meta"]["code"], name, environment)
        contents[name] = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    if "metadata.yaml" not in contents:
        raise BundleError(f"{directory} holds no metadata.yaml: it is not a bundle")
    _check_links(objects)
    return Bundle(contents, {kind: sorted(objects[kind]) for kind in KINDS})


def fingerprint(bundle: Bundle, secret_key: str, *others: str) -> str:
    """A keyed hash of the bundle and whatever else decides what an import makes; tells nothing about secrets."""
    digest = hmac.new(secret_key.encode(), digestmod=hashlib.sha256)
    for part in (*(text for item in sorted(bundle.contents.items()) for text in item), *others):
        digest.update(f"{len(part)}:".encode() + part.encode())
    return digest.hexdigest()


def removed(before: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Per kind, the uuids that an earlier bundle owned and this one does not."""
    return {kind: sorted(set(before.get(kind, ())) - set(now[kind])) for kind in KINDS}


def _load(path: Path, name: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BundleError(f"{name} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise BundleError(f"{name} has to hold an object")
    return document


def _filled(text: str, name: str, environment: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if not environment.get(match[1]):
            raise BundleError(f"{name} takes its address from {match[1]}, which is not set in the environment")
        return environment[match[1]]

    return _PLACEHOLDER.sub(value, text)


def _check_links(objects: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    for dataset in objects["datasets"].values():
        if dataset.get("database_uuid") not in objects["databases"]:
            raise BundleError(f"dataset {dataset.get('table_name')}: its database_uuid is not in the bundle")
    for chart in objects["charts"].values():
        if chart.get("dataset_uuid") not in objects["datasets"]:
            raise BundleError(f"chart {chart.get('slice_name')}: its dataset_uuid is not in the bundle")
    for dashboard in objects["dashboards"].values():
        shown = [node["meta"]["uuid"] for node in _nodes(dashboard, "CHART")]
        if missing := [uuid for uuid in shown if uuid not in objects["charts"]]:
            raise BundleError(f"dashboard {dashboard.get('dashboard_title')} shows charts that do not exist: {missing}")


def _nodes(dashboard: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """What a dashboard shows of a kind."""
    nodes = dashboard.get("position", {}).values()
    return [node for node in nodes if isinstance(node, dict) and node.get("type") == kind]
