"""What a session looks at: a walk over kinds of page, with a cart, at log-normal pauses."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clickstream.generator.catalog import CATEGORIES, FIRST_CODE, POPULAR, PRODUCTS, VARIANTS, Page
from clickstream.generator.options import GeneratorOptions
from clickstream.generator.randomness import I64, NORMAL, choices, index, mix, uniform
from clickstream.generator.schedule import CONVERSION_COLLAPSE, effect
from clickstream.generator.sessions import Sessions
from clickstream.generator.visitors import CRAWLER, DESKTOP, ENTRY, MOBILE, TABLET

_P = Page
# Weights of the next page after each kind. Leaving is not here: a session has its number of pages.
_NEXT: dict[Page, dict[Page, float]] = {
    _P.HOME: {_P.CATEGORY: 34, _P.SEARCH: 22, _P.PRODUCT: 16, _P.DEALS: 10, _P.LOGIN: 6, _P.SIGN_UP: 2, _P.BLOG: 6,
              _P.CART: 2, _P.HELP: 2},
    _P.CATEGORY: {_P.PRODUCT: 62, _P.CATEGORY: 20, _P.SEARCH: 9, _P.HOME: 5, _P.CART: 4},
    _P.PRODUCT: {_P.PRODUCT: 26, _P.CATEGORY: 22, _P.CART: 24, _P.SEARCH: 11, _P.HOME: 7, _P.HELP: 4, _P.BLOG: 2,
                 _P.SIGN_UP: 2, _P.DEALS: 2},
    _P.SEARCH: {_P.PRODUCT: 60, _P.SEARCH: 22, _P.CATEGORY: 12, _P.HOME: 6},
    _P.CART: {_P.CHECKOUT: 48, _P.PRODUCT: 22, _P.CATEGORY: 14, _P.HOME: 8, _P.LOGIN: 5, _P.HELP: 3},
    _P.CHECKOUT: {_P.PAYMENT: 66, _P.CART: 14, _P.LOGIN: 6, _P.SIGN_UP: 5, _P.HELP: 9},
    _P.PAYMENT: {_P.CONFIRMATION: 76, _P.CHECKOUT: 12, _P.CART: 8, _P.HELP: 4},
    _P.CONFIRMATION: {_P.HOME: 40, _P.ACCOUNT: 35, _P.SIGN_UP: 15, _P.CATEGORY: 10},
    _P.SIGN_UP: {_P.ACCOUNT: 45, _P.HOME: 35, _P.CATEGORY: 20},
    _P.LOGIN: {_P.ACCOUNT: 50, _P.CART: 20, _P.HOME: 30},
    _P.ACCOUNT: {_P.ACCOUNT: 15, _P.HOME: 35, _P.PRODUCT: 25, _P.HELP: 10, _P.CATEGORY: 15},
    _P.BLOG: {_P.BLOG: 38, _P.PRODUCT: 26, _P.CATEGORY: 18, _P.HOME: 18},
    _P.HELP: {_P.HELP: 32, _P.HOME: 26, _P.CATEGORY: 22, _P.CART: 8, _P.PRODUCT: 12},
    _P.DEALS: {_P.PRODUCT: 66, _P.CATEGORY: 18, _P.DEALS: 8, _P.HOME: 8},
}  # fmt: skip
_CRAWLED = {_P.PRODUCT: 62, _P.CATEGORY: 18, _P.BLOG: 12, _P.HELP: 5, _P.HOME: 3}
_TO_ORDER = (_P.CART, _P.CHECKOUT, _P.PAYMENT, _P.CONFIRMATION)
# People order less from small screens.
_EAGERNESS = {DESKTOP: 1.0, MOBILE: 0.72, TABLET: 0.88}


def _transitions() -> npt.NDArray[np.int8]:
    """NEXT[device, kind of page, uniform index] is the kind of the next page."""
    tables = np.empty((4, len(Page), len(NORMAL)), dtype=np.int8)
    for device, eagerness in _EAGERNESS.items():
        for page, weights in _NEXT.items():
            scaled = [weights.get(to, 0) * (eagerness if to in _TO_ORDER else 1) for to in Page]
            tables[device, page] = choices(scaled)
    tables[CRAWLER] = choices([_CRAWLED.get(to, 0) for to in Page])
    return tables


_TRANSITIONS = _transitions()
_NEEDS_CART = np.isin(np.arange(len(Page)), [_P.CHECKOUT, _P.PAYMENT, _P.CONFIRMATION])
# Weights of pauses as integers: sums of integers do not depend on what they are summed beside.
_PAUSES: I64 = np.maximum(np.exp(0.9 * NORMAL) * 1_024, 16).astype(np.int64)
_ADD_TO_CART = 0.24
_PAUSE, _STEP, _ITEM = range(16, 19)


@dataclass(frozen=True)
class Pages:
    """Page views of some sessions; parallel arrays. Products are -1 where there is none."""

    session: I64  # row of the sessions
    step: I64  # 0 is the first page of its session
    time: I64  # Unix ms
    dwell: I64  # ms until the next page or the end
    kind: npt.NDArray[np.int8]
    code: I64  # of the URL
    came_from: I64  # code of the page before; -1 for the first
    product: I64  # that the page shows
    added: npt.NDArray[np.bool_]  # the product was put into the cart
    cart: I64  # the product in the cart when the page opened


def pages(options: GeneratorOptions, sessions: Sessions) -> Pages:
    """All page views of the given sessions."""
    sessions_order = np.argsort(-sessions["pages"], kind="stable")
    lengths = sessions["pages"][sessions_order].astype(np.int64)
    first = np.cumsum(lengths) - lengths
    session = np.repeat(sessions_order, lengths)
    step = np.arange(len(session)) - np.repeat(first, lengths)
    keys = sessions["key"][session]
    time, dwell = _times(sessions, session, step, np.repeat(first, lengths), np.repeat(first + lengths - 1, lengths))
    bits = mix(keys, step * 64 + _STEP)
    item = mix(keys, step * 64 + _ITEM)
    accepted = effect(options, CONVERSION_COLLAPSE, time, 1.0)
    refused = uniform(item, 1) >= accepted
    walk = _walk(sessions[sessions_order], first, lengths, index(bits), index(item), uniform(bits, 1), refused)
    kind, product, added, cart = walk
    code = FIRST_CODE[kind] + np.where(product >= 0, product, VARIANTS[kind, index(item)])
    came_from = np.concatenate([[-1], code[:-1]])
    came_from[first] = -1
    return Pages(session, step, time, dwell, kind, code, came_from, product, added, cart)


def _times(sessions: Sessions, session: I64, step: I64, first: I64, last: I64) -> tuple[I64, I64]:
    """When each page opened and how long it stayed: the duration, shared out by log-normal weights."""
    weights = _PAUSES[index(mix(sessions["key"][session], step * 64 + _PAUSE))]
    weights[sessions["device"][session] == CRAWLER] = 1_024  # a machine's pauses are even
    upto = np.cumsum(weights)
    before = upto - weights - (upto[first] - weights[first])
    total = before[last] + weights[last]
    duration = sessions["duration"][session]
    opened = duration * before // total
    closed = duration * (before + weights) // total
    return sessions["start"][session] + opened, closed - opened


def _walk(
    sessions: Sessions,
    first: I64,
    lengths: I64,
    draw: I64,
    item: I64,
    second: npt.NDArray[np.float64],
    refused: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int8], I64, npt.NDArray[np.bool_], I64]:
    """The walk of all sessions at once, step by step; ``sessions`` are sorted by falling number of pages."""
    kind = np.empty(len(draw), dtype=np.int8)
    product, cart = np.full(len(draw), -1), np.full(len(draw), -1)
    added = np.zeros(len(draw), dtype=np.bool_)
    popular = POPULAR[item].astype(np.int64)
    device = sessions["device"].astype(np.int64)
    shopping = device != CRAWLER
    in_cart = np.full(len(sessions), -1)
    category = np.full(len(sessions), -1)
    now = np.zeros(len(sessions), dtype=np.int8)
    for step in range(int(lengths[0]) if len(lengths) else 0):
        n = int(np.searchsorted(-lengths, -step, side="left"))  # sessions with more than `step` pages
        at = first[:n] + step
        held, before = in_cart[:n], category[:n]
        if step:
            to = _TRANSITIONS[device[:n], now[:n], draw[at]]
        else:
            to = ENTRY[sessions["source"], draw[at]].astype(np.int8)
            held = np.where(to == Page.CART, popular[at], held)  # who comes to the cart has left something in it
        to = np.where(_NEEDS_CART[to] & (held < 0), np.int8(Page.CATEGORY), to)
        to = np.where((to == Page.CONFIRMATION) & refused[at], np.int8(Page.PAYMENT), to)
        # From a category's page one opens a product of that category.
        wanted = popular[at]
        within = np.where(before >= 0, wanted - wanted % len(CATEGORIES) + before, wanted)
        shown = np.where(to == Page.PRODUCT, within, -1)
        add = (shown >= 0) & (second[at] < _ADD_TO_CART) & shopping[:n]
        kind[at], product[at], cart[at], added[at] = to, shown, held, add
        held = np.where(add, shown, held)
        in_cart[:n] = np.where(to == Page.CONFIRMATION, -1, held)
        category[:n] = np.where(to == Page.CATEGORY, VARIANTS[Page.CATEGORY, item[at]], -1)
        now[:n] = to
    return kind, product, added, cart


assert PRODUCTS % len(CATEGORIES) == 0, "a product within a category is found by counting"  # noqa: S101
