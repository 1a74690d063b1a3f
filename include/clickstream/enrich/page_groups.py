"""Groups of pages: rules (regular expression → label) in a file, the first that matches a whole path wins.

A file is YAML or JSON: ``groups:`` a list of ``{pattern: …, label: …}``; `page_groups.json` holds the default rules.
"""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import yaml

DEFAULT_GROUPS = Path(__file__).with_name("page_groups.json")
OTHER = "Other"
_MAX_LABEL = 80  # characters
_FIELDS = frozenset({"pattern", "label"})


class PageGroupsError(ValueError):
    """A rule file that cannot be used: file, line, what is wrong and how to mend it."""


class Group(NamedTuple):
    """A rule; `pattern` matches whole paths, upper and lower case alike."""

    pattern: re.Pattern[str]
    label: str


@lru_cache(maxsize=100_000)
def page_group(path: str, rules: Path = DEFAULT_GROUPS) -> str:
    """The label of a clean path (`Page.path`); ``Other`` where no rule matches. Raises only for a bad rule file."""
    return next((group.label for group in read_groups(rules) if group.pattern.fullmatch(path)), OTHER)


@cache
def read_groups(file: Path) -> tuple[Group, ...]:
    """The rules of a file, read once a process. Raises PageGroupsError, or OSError where it cannot be read."""
    try:
        document = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise PageGroupsError(f"{file}: not UTF-8 ({error.reason} at byte {error.start})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise PageGroupsError(f"{file}:{line}: not YAML or JSON: {getattr(error, 'problem', error)}") from error
    if not isinstance(document, yaml.MappingNode):
        raise PageGroupsError(f"{file}:1: expected `groups:` with a list of {{pattern, label}}")
    rules = [value for key, value in document.value if key.value == "groups"]
    if len(rules) != 1 or len(document.value) != 1 or not isinstance(rules[0], yaml.SequenceNode) or not rules[0].value:
        raise PageGroupsError(f"{_at(file, document)}: expected `groups:` alone, with a list of {{pattern, label}}")
    return tuple(_group(file, node) for node in rules[0].value)


def _group(file: Path, node: yaml.Node) -> Group:
    if not isinstance(node, yaml.MappingNode):
        raise PageGroupsError(f"{_at(file, node)}: a rule is {{pattern: …, label: …}}")
    fields = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    if fields.keys() != _FIELDS or len(node.value) != len(_FIELDS):
        named = ", ".join(sorted(fields)) or "nothing"
        raise PageGroupsError(f"{_at(file, node)}: a rule has exactly pattern and label, this one has {named}")
    for name, value in fields.items():
        if not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            raise PageGroupsError(f"{_at(file, value)}: {name} must be a text and not empty")
    label = fields["label"].value.strip()
    if len(label) > _MAX_LABEL or not label.isprintable():
        raise PageGroupsError(f"{_at(file, fields['label'])}: label must be printable and at most {_MAX_LABEL} long")
    try:
        return Group(re.compile(fields["pattern"].value, re.IGNORECASE | re.DOTALL), label)
    except re.error as error:
        raise PageGroupsError(f"{_at(file, fields['pattern'])}: pattern is no regular expression: {error}") from error


def _at(file: Path, node: yaml.Node) -> str:
    return f"{file}:{node.start_mark.line + 1}"
