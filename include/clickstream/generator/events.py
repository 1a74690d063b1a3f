"""From page views to the records that are sent: events on each page, delays, repeats and faults, as numbers."""

import numpy as np
import numpy.typing as npt

from clickstream.contract import EVENT_TYPES
from clickstream.generator.catalog import Page
from clickstream.generator.faults import FAULT_TABLE, NO_FAULT
from clickstream.generator.journey import Pages, pages
from clickstream.generator.options import GeneratorOptions
from clickstream.generator.randomness import I64, MIDPOINTS, NORMAL, U64, index, mix, uniform
from clickstream.generator.schedule import REJECTED_BURST, effect
from clickstream.generator.sessions import MAX_NETWORK_MS, MAX_REPEAT_MS, Sessions
from clickstream.generator.visitors import DECLARED_BOT, PERSON

Rows = npt.NDArray[np.void]

TYPES = (*EVENT_TYPES, "add_to_wishlist")  # the last one is a custom event: the contract takes any name
_TYPE = {name: number for number, name in enumerate(TYPES)}
ROW = np.dtype(
    [
        ("emit", "i8"),  # Unix ms at which the record is sent
        ("key", "u8"),  # of the event; all that is random in it follows from this
        ("time", "i8"),  # event_time, Unix ms
        ("session", "u8"),  # key of the session
        ("user", "i4"),
        ("code", "i4"),  # of the page's URL
        ("came_from", "i4"),  # code of the page before, -1 for the first of a session
        ("product", "i4"),  # -1: none
        ("agent", "i2"),
        ("type", "u1"),  # index into TYPES
        ("kind", "u1"),  # of the visitor
        ("device", "u1"),
        ("source", "u1"),
        ("fault", "u1"),  # index into FAULTS, NO_FAULT when well-formed
        ("repeat", "u1"),  # 1: the second sending of the same bytes
    ]
)
# Slots of a page: when in its time (permille of the dwell) each kind of event comes.
_VIEW, _ACTION, _SCROLL, _CART, _WISH, _CLICK = range(6)
_PERMILLE = np.array([0, 8, 420, 610, 700, 930])
_SLOTS = 8  # room for slots in the numbering of a session's events
_ACTIONS: dict[Page, tuple[str, float]] = {
    Page.SEARCH: ("search", 1),
    Page.PRODUCT: ("view_item", 1),
    Page.CART: ("remove_from_cart", 0.16),
    Page.CHECKOUT: ("begin_checkout", 1),
    Page.PAYMENT: ("add_payment_info", 1),
    Page.CONFIRMATION: ("purchase", 1),
    Page.SIGN_UP: ("sign_up", 0.55),
    Page.LOGIN: ("login", 0.8),
}
_ACTION_TYPE = np.array([_TYPE[_ACTIONS[page][0]] if page in _ACTIONS else 0 for page in Page])
_ACTION_SHARE = np.array([_ACTIONS[page][1] if page in _ACTIONS else 0.0 for page in Page])
_ABOUT_THE_CART = np.array([page in (Page.CART, Page.CHECKOUT, Page.PAYMENT, Page.CONFIRMATION) for page in Page])
_NETWORK: I64 = np.minimum(np.exp(np.log(350) + 0.9 * NORMAL), MAX_NETWORK_MS - 1_000).astype(np.int64)
_REPEAT: I64 = (2_000 * (MAX_REPEAT_MS / 2_000) ** MIDPOINTS).astype(np.int64)  # seconds to minutes
_CHANCES, _SENDING, _EVENT, _FAULT = range(24, 28)


def rows(options: GeneratorOptions, sessions: Sessions) -> Rows:
    """Every record that the sessions send, repeats included, in no particular order."""
    viewed = pages(options, sessions)
    page, slot = _slots(sessions, viewed)
    session = viewed.session[page]
    events = np.zeros(len(page), dtype=ROW)
    events["session"] = sessions["key"][session]
    events["key"] = mix(events["session"], (viewed.step[page] * _SLOTS + slot) * 32 + _EVENT)
    events["time"] = viewed.time[page] + viewed.dwell[page] * _PERMILLE[slot] // 1_000
    events["code"], events["came_from"] = viewed.code[page], viewed.came_from[page]
    for field in ("user", "agent", "kind", "device", "source"):
        events[field] = sessions[field][session]
    _describe(events, viewed, page, slot)
    events["fault"] = _faults(options, events["key"], events["time"])
    events["emit"] = _sent(sessions[session], events, viewed.step[page] * _SLOTS + slot)
    return _with_repeats(options, events)


def _slots(sessions: Sessions, viewed: Pages) -> tuple[I64, I64]:
    """Which events happen on each page: (row of the page views, slot)."""
    kind = sessions["kind"][viewed.session]
    person = kind == PERSON
    chances = mix(sessions["key"][viewed.session], viewed.step * 64 + _CHANCES)
    happens = {
        _VIEW: np.ones(len(kind), dtype=np.bool_),
        _ACTION: (uniform(chances) < _ACTION_SHARE[viewed.kind])
        & (kind != DECLARED_BOT)
        & ((viewed.kind != Page.CART) | (viewed.cart >= 0)),
        _SCROLL: person & (index(chances, 2) < 0.52 * len(NORMAL)),
        _CART: viewed.added,
        _WISH: person & (viewed.product >= 0) & (uniform(chances, 1) < 0.03),
        _CLICK: person & (index(chances, 3) < 0.40 * len(NORMAL)),
    }
    found = [np.flatnonzero(mask) for mask in happens.values()]
    slot = np.repeat(np.array(list(happens)), [len(rows_of_slot) for rows_of_slot in found])
    return np.concatenate(found), slot


def _describe(events: Rows, viewed: Pages, page: I64, slot: I64) -> None:
    """The type of each event, and the product that it is about."""
    kind = viewed.kind[page]
    by_slot = np.array([_TYPE["page_view"], 0, _TYPE["scroll"], _TYPE["add_to_cart"], _TYPE["add_to_wishlist"], 1])
    by_slot[_CLICK] = _TYPE["click"]
    events["type"] = np.where(slot == _ACTION, _ACTION_TYPE[kind], by_slot[slot])
    about_cart = _ABOUT_THE_CART[kind] & (slot == _ACTION)
    shown = np.where(np.isin(slot, (_SCROLL, _CLICK)), -1, viewed.product[page])
    events["product"] = np.where(about_cart, viewed.cart[page], shown)


def _faults(options: GeneratorOptions, keys: U64, times: I64) -> npt.NDArray[np.int16]:
    """A fault for the malformed share (more during an injected burst), NO_FAULT for the others."""
    bits = mix(keys, _FAULT)
    share = options.malformed_share + effect(options, REJECTED_BURST, times, 0.0)
    return np.where(uniform(bits) < share, FAULT_TABLE[index(bits, 2)], NO_FAULT).astype(np.int16)


def _sent(session: Sessions, events: Rows, number: I64) -> I64:
    """When each event is sent: after the network's delay, or in a row once the phone is back."""
    offline = (session["outage"] > 0) & (events["time"] >= session["start"] + session["offline"])
    back = session["start"] + session["duration"] + session["outage"] + np.minimum(number * 4, MAX_NETWORK_MS)
    delayed = events["time"] + _NETWORK[index(mix(events["key"], _SENDING))]
    return np.asarray(np.where(offline, back, delayed), dtype=np.int64)


def _with_repeats(options: GeneratorOptions, events: Rows) -> Rows:
    """Add the second sending of some well-formed events, seconds to minutes after the first."""
    bits = mix(events["key"], _SENDING)
    again = events[(uniform(bits, 1) < options.duplicate_share) & (events["fault"] == NO_FAULT)]
    again["emit"] += _REPEAT[index(mix(again["key"], _CHANCES))]
    again["repeat"] = 1
    return np.concatenate([events, again])
