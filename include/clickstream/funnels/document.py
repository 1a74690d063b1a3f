"""A YAML mapping as plain values that remember their lines."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # NUL and halves of characters


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

    def at(self, path: str) -> Any:
        """The part of the value that is written at a path."""
        value = self.value
        for key, number in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
            value = value[key] if key else value[int(number)]
        return value


def read_entries(file: Path) -> list[Entry]:
    """The top-level entries of a YAML file. Raises FunnelError, also where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise FunnelError(f"{file}: {error.strerror}; a funnel file is YAML, see docs/funnels.md") from None
    except UnicodeDecodeError as error:
        raise FunnelError(f"{file}: not UTF-8 ({error.reason} at byte {error.start})") from None
    loader, document = _parsed(file, text)
    if not isinstance(document, yaml.MappingNode) or not document.value:
        raise FunnelError(f"{file}:1: expected funnels by name, as `purchase: {{steps: [...]}}`")
    entries: list[Entry] = []
    for key, node in document.value:
        name = str(key.value).encode("utf-8", "backslashreplace").decode()
        reader = _Reader(file, name, loader)
        reader.lines["$"] = key.start_mark.line + 1
        if name in [entry.name for entry in entries]:
            raise reader.error(key, "declared twice; give one of them another name")
        try:
            value = reader.plain(node, "$")
        except RecursionError:
            line = list(reader.lines.values())[-1]
            raise FunnelError(f"{file}:{line}: funnel {name}: is nested too deeply") from None
        reader.lines["$"] = key.start_mark.line + 1
        entries.append(Entry(file, name, value, reader.lines))
    return entries


def path_of(message: str) -> str:
    """What a message of msgspec is about: the path that it ends with, and the field that is unknown there."""
    at = re.search(r" - at `\$([^`]*)`$", message)
    unknown = re.search(r"unknown field `([^`]+)`", message)
    return f"${at[1] if at else ''}{f'.{unknown[1]}' if unknown else ''}"


def _parsed(file: Path, text: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The document's node, and the loader that knows its values. An error names the funnel that its line is in."""
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        return loader, loader.get_single_node()
    except yaml.reader.ReaderError as error:
        line, what = text.count("\n", 0, error.position) + 1, f"not YAML: {error.reason}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, what = mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}"
    except RecursionError:
        line, what = (loader.line if loader else 0) + 1, "is nested too deeply"
    names = re.findall(r"^([^\s:#'\"-][^\s:]*):", "\n".join(text.split("\n")[:line]), re.MULTILINE)
    raise FunnelError(f"{file}:{line}: {f'funnel {names[-1]}: ' if names else ''}{what}")


@dataclass
class _Reader:
    """One entry's nodes as plain values; `lines`: the line of each part, by path."""

    file: Path
    name: str
    loader: yaml.SafeLoader
    lines: dict[str, int] = field(default_factory=dict)

    def error(self, node: yaml.Node, what: str) -> FunnelError:
        return FunnelError(f"{self.file}:{node.start_mark.line + 1}: funnel {self.name}: {what}")

    def plain(self, node: yaml.Node, path: str) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, f"{path}[{number}]") for number, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return self._scalar(node)
        plain: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(key, "a key must be a word")
            if _UNSTORABLE.search(key.value):
                raise self.error(key, f"{key.value!r} holds a character that PostgreSQL cannot store")
            if key.value in plain:
                raise self.error(key, f"{key.value} is given twice")
            plain[key.value] = self.plain(value, f"{path}.{key.value}")
            self.lines[f"{path}.{key.value}"] = key.start_mark.line + 1
        return plain

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = self.loader.construct_object(node)
        except yaml.MarkedYAMLError as error:
            raise self.error(node, f"not YAML: {error.problem}") from None
        except (ValueError, OverflowError) as error:
            raise self.error(node, f"{node.value!r} is no value of YAML: {error}") from None
        if isinstance(value, str) and _UNSTORABLE.search(value):
            raise self.error(node, f"{value!r} holds a character that PostgreSQL cannot store")
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(node, f"{node.value} is no number that JSON has")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise self.error(node, f"{node.value} has more than 64 bits")
        return value
