"""Product and category come from the typed properties alone."""

import pytest

from clickstream.contract import Properties
from clickstream.enrich import Product, read_product


@pytest.mark.parametrize(
    ("properties", "product"),
    [
        (Properties(), Product(None, None)),
        (Properties(product_id=" P1 ", category="tents"), Product("P1", "tents")),
        (Properties(product_id="  ", category=""), Product(None, None)),
    ],
)
def test_products(properties: Properties, product: Product) -> None:
    assert read_product(properties) == product
