"""The declaration of funnels (`sql/funnels.yaml`): its types, and what is wrong with a wrong one. docs/funnels.md."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from clickstream.funnels.document import Entry, FunnelError, path_of, read_entries
from clickstream.funnels.patterns import wrong_regex
from clickstream.settings import settings

MAX_STEPS = 12  # bits of clickstream.match_funnel
_DURATION = re.compile(r"([1-9]\d{0,8}) (second|minute|hour|day|week)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_LONGEST = 3_653 * 86_400
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

Scalar = str | int | float | bool
_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
# Patterns are asked in _mistakes, not by Meta(pattern=…): msgspec 0.22.0 frees such a type twice when the interpreter
# ends, about every fourth process ends in SIGSEGV.
EventType = str
Text = Annotated[str, Meta(min_length=1, max_length=2_048)]
Dimension = Literal["device", "channel", "browser", "entry_page"]


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts of a declaration have in common."""


class Pattern(_Part, frozen=True):
    """Exactly one of a glob (`*`: anything, `?`: one character) and a regular expression; each fits the whole text."""

    glob: Text | None = None
    regex: Text | None = None


class Test(_Part, frozen=True, rename={"is_in": "in", "more": ">", "less": "<"}):
    """What must hold of a property: all that is given."""

    equals: Scalar | None = None
    is_in: Annotated[list[Scalar], Meta(min_length=1)] | None = None
    exists: bool | None = None
    more: float | None = None
    less: float | None = None


class Predicate(_Part, frozen=True):
    """Which events: all that is given must hold. `page` is compared with the clean path, `url` with the whole URL."""

    event: EventType | Annotated[list[EventType], Meta(min_length=1)] | None = None
    page: Text | Pattern | None = None
    url: Text | Pattern | None = None
    properties: dict[Text, Scalar | Test] = {}

    @property
    def types(self) -> list[str] | None:
        """The event types, in order; None for any."""
        return [self.event] if isinstance(self.event, str) else self.event


class Alert(_Part, frozen=True):
    """Write an anomaly when the share of the entries of an hour or a day that come this far leaves its band downwards.

    `within`: how long after the entry a step still counts; an hour (day) is judged when that long has passed since its
    end. `webhook`: the environment variable that holds the address to call.
    """

    of: Literal["previous", "first"] = "previous"
    per: Literal["hour", "day"] = "hour"
    within: str = "1 hour"
    webhook: str | None = None


class Step(Predicate, frozen=True):
    """A step; its name is that of its event types where none is given."""

    name: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    alert: Alert | None = None

    @property
    def title(self) -> str:
        """The step's name for people."""
        return self.name or " or ".join(self.types or ["any event"])


class Exclusion(Predicate, frozen=True):
    """Events that must not lie between two steps; `between` limits it to a stretch, as [1, 2]."""

    between: tuple[int, int] | None = None


class Funnel(_Part, frozen=True, kw_only=True):
    """A declared funnel."""

    scope: Literal["user", "session"]
    window: str | None = None
    order: Literal["ordered", "strict", "any"] = "ordered"
    ties: Literal["together", "strict"] = "together"
    considers: Annotated[list[EventType], Meta(min_length=1)] | None = None
    steps: Annotated[list[EventType | Step], Meta(min_length=2, max_length=MAX_STEPS)]
    exclusions: list[EventType | Exclusion] = []
    breakdown: list[Dimension] = []
    attribution: Literal["first", "last"] | Annotated[int, Meta(ge=1)] = "first"

    def all_steps(self) -> list[Step]:
        """The steps, each in full."""
        return [Step(event=step) if isinstance(step, str) else step for step in self.steps]

    def all_exclusions(self) -> list[Exclusion]:
        """The exclusions, each in full."""
        return [Exclusion(event=one) if isinstance(one, str) else one for one in self.exclusions]


def load_funnels(path: Path | None = None) -> dict[str, Funnel]:
    """The funnels of a YAML file (default `sql/funnels.yaml` of the checkout), by name. Raises FunnelError."""
    path = path or settings().home / "sql" / "funnels.yaml"
    return {entry.name: _funnel(entry) for entry in read_entries(path)}


def seconds(duration: str) -> int:
    """`14 days` in seconds. Raises ValueError with what is wrong."""
    found = _DURATION.fullmatch(duration)
    if not found:
        raise ValueError(f"{duration!r} is not like '14 days' or '30 minutes'")
    long = int(found[1]) * _SECONDS[found[2]]
    if long > _LONGEST:
        raise ValueError(f"{duration!r} is more than 10 years")
    return long


def _funnel(entry: Entry) -> Funnel:
    if not _NAME.fullmatch(entry.name):
        raise entry.error("$", "the name must be lower case letters, digits and _, at most 63")
    try:
        funnel = msgspec.convert(entry.value, Funnel)
    except msgspec.ValidationError as error:
        raise entry.error(_where(entry, str(error)), str(error).replace(" - at `$`", "")) from None
    for path, what in _mistakes(funnel):
        raise entry.error(path, what)
    return funnel


def _where(entry: Entry, message: str) -> str:
    """The path of a message; msgspec names no property: it is the first that is no scalar or test."""
    path = path_of(message)
    before, unnamed, after = path.partition("[...]")
    if not unnamed:
        return path
    for name, test in entry.at(before).items():
        try:
            msgspec.convert(test, Scalar | Test)
        except msgspec.ValidationError:
            return f"{before}.{name}{after}"
    return before


def _mistakes(funnel: Funnel) -> list[tuple[str, str]]:
    """What the types cannot say, by path."""
    found = [*_of_window(funnel), *_of_types("$.considers", funnel.considers or []), *_of_order(funnel)]
    steps, exclusions = funnel.all_steps(), funnel.all_exclusions()
    for kind, predicates in (("steps", steps), ("exclusions", exclusions)):
        for number, predicate in enumerate(predicates):
            path = f"$.{kind}[{number}]"
            found += [(f"{path}{part}", what) for part, what in _of_predicate(predicate)]
    for number, step in enumerate(steps):
        if step.alert:
            path = f"$.steps[{number}].alert"
            found += _of_duration(f"{path}.within", step.alert.within)
            if step.alert.webhook is not None and not _VARIABLE.fullmatch(step.alert.webhook):
                found.append((f"{path}.webhook", "names an environment variable, like SHOP_WEBHOOK"))
            if number == 0:
                found.append((path, "step 1 has no rate: put the alert on a later step"))
    for number, one in enumerate(exclusions):
        if one.between and not 1 <= one.between[0] < one.between[1] <= len(steps):
            found.append((f"$.exclusions[{number}].between", f"names two steps in order, from 1 to {len(steps)}"))
    if isinstance(funnel.attribution, int) and funnel.attribution > len(steps):
        found.append(("$.attribution", f"there is no step {funnel.attribution}: first, last or 1 to {len(steps)}"))
    if len(set(funnel.breakdown)) < len(funnel.breakdown):
        found.append(("$.breakdown", "names a dimension twice"))
    return found


def _of_window(funnel: Funnel) -> list[tuple[str, str]]:
    if funnel.window is None and funnel.scope == "user":
        return [("$", "scope user needs a window, like '14 days', '30 minutes' or 'same day'")]
    return [] if funnel.window in (None, "same day") else _of_duration("$.window", str(funnel.window), " or 'same day'")


def _of_duration(path: str, duration: str, also: str = "") -> list[tuple[str, str]]:
    try:
        seconds(duration)
    except ValueError as error:
        return [(path, f"{path.rpartition('.')[2]} {error}{also}")]
    return []


def _of_types(path: str, types: list[str]) -> list[tuple[str, str]]:
    what = "is no event type: lower case letters, digits and _, at most 40, beginning with a letter"
    return [(f"{path}[{n}]", f"{kind!r} {what}") for n, kind in enumerate(types) if not _EVENT_TYPE.fullmatch(kind)]


def _of_order(funnel: Funnel) -> list[tuple[str, str]]:
    if funnel.considers is None:
        return []
    if funnel.order != "strict":
        return [("$.considers", "only order strict considers event types: leave it out")]
    found = []
    for number, step in enumerate(funnel.all_steps()):
        missing = [kind for kind in step.types or ["(any event)"] if kind not in funnel.considers]
        if missing:
            what = f"step {number + 1} takes {', '.join(missing)}, which is not in considers: add it, or leave it out"
            found.append((f"$.steps[{number}]", what))
    return found


def _of_predicate(predicate: Predicate) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if predicate.event is None and predicate.page is None and predicate.url is None and not predicate.properties:
        found.append(("", "needs one of event, page, url and properties"))
    found += _of_types(".event", predicate.types or [])
    for name in ("page", "url"):
        pattern: Any = getattr(predicate, name)
        if isinstance(pattern, Pattern):
            if (pattern.glob is None) == (pattern.regex is None):
                found.append((f".{name}", "takes either a glob or a regex"))
            elif pattern.regex is not None and (wrong := wrong_regex(pattern.regex)):
                found.append((f".{name}.regex", wrong))
    for name, test in predicate.properties.items():
        if isinstance(test, Test) and test == Test():
            found.append((f".properties.{name}", "needs one of equals, in, exists, > and <"))
    return found


__all__ = ["Alert", "Funnel", "FunnelError", "Predicate", "Step", "load_funnels", "seconds"]
