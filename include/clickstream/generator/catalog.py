"""The shop itself: its pages, products with a fixed category and price, and what people search for."""

from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from clickstream.generator.randomness import NORMAL, TABLE_SIZE, U64, choices, index, mix

PRODUCTS = 1_200


class Page(IntEnum):
    """Kinds of page; a page's code is its kind's first code plus which one of the kind it is."""

    HOME = 0
    CATEGORY = 1
    PRODUCT = 2
    SEARCH = 3
    CART = 4
    CHECKOUT = 5
    PAYMENT = 6
    CONFIRMATION = 7
    SIGN_UP = 8
    LOGIN = 9
    ACCOUNT = 10
    BLOG = 11
    HELP = 12
    DEALS = 13


CATEGORIES = (
    "hiking-boots", "backpacks", "tents", "rain-jackets", "sleeping-bags", "camp-kitchen", "climbing", "bike-touring",
)  # fmt: skip
_MAKES = (
    "alpine", "basalt", "cirrus", "drift", "ember", "fjord", "granite", "heron", "isobar", "juniper", "kestrel",
    "larch", "moraine", "nimbus", "osprey",
)  # fmt: skip
_STYLES = ("light", "trail", "summit", "classic", "pro", "storm", "junior", "trek", "ultra", "base")
SEARCH_TERMS = (
    "waterproof hiking boots", "tent 2 person", "sleeping bag -10", "rain jacket women", "climbing rope 60m",
    "gas stove", "trekking poles", "merino socks", "bike panniers", "headlamp", "backpack 40l", "kids hiking shoes",
    "camping mat", "down jacket", "carabiner", "water filter", "gaiters", "Größe 43 wanderschuhe", "sac à dos 30l",
    "dry bag", "titanium mug", "hammock", "chalk bag", "winter tent", "bear canister", "gift card", "ultralight tarp",
    "crampons", "sunglasses", "repair kit",
)  # fmt: skip
ARTICLES = (
    "how-to-choose-hiking-boots", "packing-list-for-a-weekend", "tent-care", "ten-huts-in-the-alps",
    "layering-explained", "first-bike-tour", "knots-every-climber-needs", "cooking-above-2000-metres",
    "leave-no-trace", "repair-instead-of-replace", "winter-camping", "hiking-with-children",
)  # fmt: skip
TOPICS = ("shipping", "returns", "sizes", "payment", "warranty", "contact", "gift-cards", "privacy")
ELEMENTS = (
    "nav-menu", "hero-banner", "product-card", "filter-price", "filter-size", "sort-by", "image-zoom", "size-guide",
    "reviews-tab", "footer-newsletter", "chat-open", "language-switch", "cart-icon", "share-button",
)  # fmt: skip


def category_of(product: int) -> str:
    """A product's category, always the same one."""
    return CATEGORIES[product % len(CATEGORIES)]


def product_id(product: int) -> str:
    return f"SKU-{product + 10_000}"


def _slug(product: int) -> str:
    number = product // len(CATEGORIES)
    return f"{_MAKES[number % len(_MAKES)]}-{_STYLES[number // len(_MAKES) % len(_STYLES)]}-{product + 10_000}"


def _prices() -> list[float]:
    keys: U64 = mix(np.arange(PRODUCTS, dtype=np.uint64), 11)
    scale = np.array([110, 95, 240, 140, 160, 35, 60, 75])[np.arange(PRODUCTS) % len(CATEGORIES)]
    return [round(price) - 0.05 for price in np.maximum(scale * np.exp(0.5 * NORMAL[index(keys)]), 4)]


PRODUCT_IDS = [product_id(product) for product in range(PRODUCTS)]
PRODUCT_CATEGORIES = [category_of(product) for product in range(PRODUCTS)]
PRICES = _prices()
# The hundred best sellers make about half of all views: rank weights 1/(r + 15), ranks spread over the categories.
POPULAR: npt.NDArray[np.int16] = choices(1 / (np.arange(PRODUCTS) + 15))

_PATHS: dict[Page, list[str]] = {
    Page.HOME: ["/"],
    Page.CATEGORY: [f"/category/{name}" for name in CATEGORIES],
    Page.PRODUCT: [f"/category/{category_of(product)}/{_slug(product)}" for product in range(PRODUCTS)],
    Page.SEARCH: [f"/search?q={term.replace(' ', '+')}" for term in SEARCH_TERMS],
    Page.CART: ["/cart"],
    Page.CHECKOUT: ["/checkout/address"],
    Page.PAYMENT: ["/checkout/payment"],
    Page.CONFIRMATION: ["/checkout/confirmation"],
    Page.SIGN_UP: ["/account/sign-up"],
    Page.LOGIN: ["/account/login"],
    Page.ACCOUNT: ["/account/orders"],
    Page.BLOG: [f"/blog/{article}" for article in ARTICLES],
    Page.HELP: [f"/help/{topic}" for topic in TOPICS],
    Page.DEALS: ["/deals"],
}
_COUNTS = np.array([len(_PATHS[page]) for page in Page])
FIRST_CODE = np.concatenate([[0], np.cumsum(_COUNTS)[:-1]])
# Which one of a kind: VARIANTS[kind, uniform index]; products have their own table.
VARIANTS: npt.NDArray[np.int64] = np.arange(TABLE_SIZE)[None, :] * _COUNTS[:, None] // TABLE_SIZE


@lru_cache(maxsize=8)
def page_urls(host: str) -> list[str]:
    """The URL of every page code."""
    return [host + path for page in Page for path in _PATHS[page]]
