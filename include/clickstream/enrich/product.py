"""The product and the category that an event is about."""

from typing import NamedTuple

from clickstream.contract import Properties


class Product(NamedTuple):
    """Both as the producer wrote them, without surrounding white space; None where empty or missing."""

    product_id: str | None
    category: str | None


def read_product(properties: Properties) -> Product:
    """The typed properties are the only source: a product is never guessed from a path."""
    return Product(_text(properties.product_id), _text(properties.category))


def _text(value: str | None) -> str | None:
    return (value.strip() or None) if value else None
