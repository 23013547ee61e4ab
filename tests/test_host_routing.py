"""Hosts that find their views by subdomain or host, or let nobody by who is not signed in."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
from flask import Flask, abort, request, session
from flask_sqlalchemy import SQLAlchemy
from werkzeug.routing import Rule

from flask_billing import Billing
from flask_billing.database import close
from flask_billing.errors import ConfigError
from flask_billing.sandbox import Sandbox

from .host import CATALOGS, Host

NAME: t.Final = "shop.example"


class RuleOfShop(Rule):
    """A rule that is the shop's where nothing else is said."""

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **{"host": NAME, **options})


def with_billing(app: Flask) -> Flask:
    """The app, as one that sells."""
    app.config.update(
        SECRET_KEY="a secret of the tests",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        SERVER_NAME=NAME,
    )
    Billing(app, db=SQLAlchemy(app), catalog=CATALOGS / "ladder.toml")
    return app


def delivered(app: Flask) -> list[tuple[str, int]]:
    """What the app answers to an event of the sandbox."""
    sandbox = Sandbox()
    sandbox.connect(app)

    with app.app_context():
        app.extensions["sqlalchemy"].create_all()

    sandbox.client().v1.customers.create({"name": "Ada"})
    answers = sandbox.webhooks.deliver()
    sandbox.close()

    with app.app_context():
        close(app.extensions["billing"])
        app.extensions["sqlalchemy"].engine.dispose()

    return answers


@pytest.mark.parametrize("subdomain", ["", "www"])
def test_the_sandbox_finds_the_webhook_route_by_subdomain(subdomain: str) -> None:
    app = Flask("shop", subdomain_matching=True)
    app.url_map.default_subdomain = subdomain

    assert delivered(with_billing(app)) == [("customer.created", 200)]


def test_where_webhooks_go_moves_no_page_of_the_sandbox(make_app: c.Callable[..., Host]) -> None:
    host = make_app(SERVER_NAME=NAME)
    host.app.test_client().get("/", base_url=f"https://{NAME}")
    host.sandbox.client().v1.customers.create({"name": "Ada"})

    assert host.sandbox.webhooks.deliver() == [("customer.created", 200)]
    assert host.sandbox.public_url == f"https://{NAME}/sandbox/stripe"


def test_an_app_that_finds_views_by_host_has_to_name_one() -> None:
    with pytest.raises(ConfigError, match="url_rule_class"):
        with_billing(Flask("shop", host_matching=True, static_host=NAME))


def test_an_app_that_names_a_host_for_every_view_works() -> None:
    app = Flask("shop", host_matching=True, static_host=NAME)
    app.url_rule_class = RuleOfShop

    assert delivered(with_billing(app)) == [("customer.created", 200)]


def test_a_host_that_turns_webhooks_away_is_told(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    @host.app.before_request
    def only_who_is_signed_in() -> None:
        if "user" not in session and request.endpoint != "login":
            abort(401)

    host.sandbox.client().v1.customers.create({"name": "Ada"})

    assert host.sandbox.webhooks.deliver() == [("customer.created", 401)]
    assert "/billing/webhooks/stripe answered 401" in caplog.text
