"""Shops that tests of the engine open."""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t

import pytest

from ..host import Host
from .shop import Opener, Shop, balance


@pytest.fixture
def open_shop(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Opener]:
    """Opens a shop with a catalog and further settings, and balances its books in the end."""
    with contextlib.ExitStack() as stack:
        shops = []

        def opened(catalog: dict[str, t.Any], **settings: object) -> Shop:
            host = make_app(database_url, catalog=catalog, **settings)
            stack.enter_context(host.app.app_context())
            shop = Shop(host)
            host.customer()
            shops.append(shop)
            return shop

        yield opened

        for shop in shops:
            balance(shop.host)
