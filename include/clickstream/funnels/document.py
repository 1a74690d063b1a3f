"""A YAML mapping as plain values that remember their lines."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class FunnelError(ValueError):
    """A funnel that cannot be used: file, line, funnel, what is wrong and how to mend it."""


@dataclass(frozen=True)
class Entry:
    """One key of the file: its value, and the line of each part of it, by path (`$`, `$.steps[0].event`)."""

    file: Path
    name: str
    value: Any
    lines: dict[str, int]

    def error(self, path: str, what: str) -> FunnelError:
        """What is wrong at a path; a part that is not written has the line of what it is missing from."""
        while path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 1)]
        return FunnelError(f"{self.file}:{self.lines[path]}: funnel {self.name}: {what}")


def read_entries(file: Path) -> list[Entry]:
    """The top-level entries of a YAML file. Raises FunnelError, also where it cannot be read."""
    try:
        loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
        document = loader.get_single_node()
    except OSError as error:
        raise FunnelError(f"{file}: {error.strerror}; a funnel file is YAML, see docs/funnels.md") from None
    except UnicodeDecodeError as error:
        raise FunnelError(f"{file}: not UTF-8 ({error.reason} at byte {error.start})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise FunnelError(f"{file}:{line}: not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(document, yaml.MappingNode) or not document.value:
        raise FunnelError(f"{file}:1: expected funnels by name, as `purchase: {{steps: [...]}}`")
    entries = []
    for key, node in document.value:
        lines: dict[str, int] = {}
        value = _plain(loader, node, "$", lines, file)
        lines["$"] = key.start_mark.line + 1
        entries.append(Entry(file, str(key.value), value, lines))
    names = [entry.name for entry in entries]
    for number, entry in enumerate(entries):
        if entry.name in names[:number]:
            raise entry.error("$", "declared twice; give one of them another name")
    return entries


def path_of(message: str) -> str:
    """What a message of msgspec is about: the path that it ends with, and the field that is unknown there."""
    at = re.search(r" - at `\$([^`]*)`$", message)
    unknown = re.search(r"unknown field `([^`]+)`", message)
    return f"${at[1] if at else ''}{f'.{unknown[1]}' if unknown else ''}"


def _plain(loader: yaml.SafeLoader, node: yaml.Node, path: str, lines: dict[str, int], file: Path) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item, f"{path}[{number}]", lines, file) for number, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    plain: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise FunnelError(f"{file}:{key.start_mark.line + 1}: a key must be a word")
        if key.value in plain:
            raise FunnelError(f"{file}:{key.start_mark.line + 1}: {key.value} is given twice")
        plain[key.value] = _plain(loader, value, f"{path}.{key.value}", lines, file)
        lines[f"{path}.{key.value}"] = key.start_mark.line + 1
    return plain
