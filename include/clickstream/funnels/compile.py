"""A declared funnel as what `sql/models/funnel_*` bind: every value, name and pattern is a parameter of fixed SQL."""

import re
from typing import Any

import msgspec

from clickstream.funnels.config import Funnel, Pattern, Predicate, Test, seconds

# Bits of a mark, as clickstream.match_funnel reads them.
_EXCLUDED_AFTER_STEP_1 = 15
_CONSIDERED = 1 << 30

# Those that the index events_funnel holds.
INDEXED = frozenset(
    (
        "search", "view_item", "add_to_cart", "remove_from_cart", "begin_checkout", "add_payment_info", "purchase",
        "sign_up", "login",
    )
)  # fmt: skip


def parameters(name: str, funnel: Funnel) -> dict[str, Any]:
    """What the files of one funnel bind beside the run's own parameters.

    `types`: the event types to read, None for all; `in_index`: an index has them. `kinds`: for each type that is named,
    and for any other (null), the marks that the type alone gives, and whether rules must be asked. `rules`: predicates
    that look at more than the type, with the marks that they give.
    """
    rules = _rules(funnel)
    named = sorted({kind for predicate, _ in rules for kind in predicate.types or []} | set(funnel.considers or []))
    considers_all = funnel.order == "strict" and funnel.considers is None
    any_type = considers_all or any(predicate.types is None for predicate, _ in rules)
    same_day = funnel.window == "same day"
    return {
        "funnel": name,
        "scope": funnel.scope,
        "within": None if funnel.window is None or same_day else f"{seconds(funnel.window)} seconds",
        "same_day": same_day,
        "step_order": funnel.order,
        "strict_ties": funnel.ties == "strict",
        "steps": [step.title for step in funnel.all_steps()],
        "breakdown": list(funnel.breakdown),
        "attribution": "step" if isinstance(funnel.attribution, int) else funnel.attribution,
        "attribution_step": funnel.attribution if isinstance(funnel.attribution, int) else None,
        "types": None if any_type else named,
        "in_index": not any_type and INDEXED.issuperset(named),
        "kinds": _json([_kind(funnel, rules, kind) for kind in [*named, None]]),
        "rules": _json([_rule(predicate, marks) for predicate, marks in rules if _asks(predicate)]),
    }


def _rules(funnel: Funnel) -> list[tuple[Predicate, int]]:
    """Each predicate with the marks of the events that it holds for."""
    steps = funnel.all_steps()
    rules: list[tuple[Predicate, int]] = [(step, 1 << number) for number, step in enumerate(steps)]
    for one in funnel.all_exclusions():
        first, last = one.between or (1, len(steps))
        marks = sum(1 << (_EXCLUDED_AFTER_STEP_1 + gap - 1) for gap in range(first, last))
        rules.append((one, marks))
    return rules


def _asks(predicate: Predicate) -> bool:
    return predicate.page is not None or predicate.url is not None or bool(predicate.properties)


def _kind(funnel: Funnel, rules: list[tuple[Predicate, int]], kind: str | None) -> dict[str, Any]:
    fitting = [(predicate, marks) for predicate, marks in rules if predicate.types is None or kind in predicate.types]
    considered = funnel.order == "strict" and (funnel.considers is None or kind in funnel.considers)
    marks = _CONSIDERED if considered else 0
    for predicate, given in fitting:
        marks |= 0 if _asks(predicate) else given
    return {"event_type": kind, "marks": marks, "asks": any(_asks(predicate) for predicate, _ in fitting)}


def _rule(predicate: Predicate, marks: int) -> dict[str, Any]:
    return {
        "marks": marks,
        "types": predicate.types,
        "page": _regex(predicate.page),
        "url": _regex(predicate.url),
        "conditions": [
            {"name": name, "test": test, "value": value}
            for name, wanted in predicate.properties.items()
            for test, value in _conditions(wanted)
        ],
    }


def _conditions(wanted: Any) -> list[tuple[str, Any]]:
    if not isinstance(wanted, Test):
        return [("equals", wanted)]
    return [(test, value) for test, value in msgspec.to_builtins(wanted).items() if value is not None]


def _regex(pattern: str | Pattern | None) -> str | None:
    """A pattern as PostgreSQL's regular expression for the whole text; a plain text is a glob."""
    if pattern is None:
        return None
    if isinstance(pattern, Pattern) and pattern.regex is not None:
        return f"^(?:{pattern.regex})$"
    glob = pattern if isinstance(pattern, str) else str(pattern.glob)
    anything = {"*": ".*", "?": "."}
    return "^" + "".join(anything.get(character) or re.sub(r"(\W)", r"\\\1", character) for character in glob) + "$"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
