"""Who looks at the page, and what they have: read once per request."""

from __future__ import annotations

import dataclasses
import hashlib

from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from .. import negotiation
from ..access import Access, decide
from ..catalog import Plan
from ..customers import current_owner, sign_in
from ..errors import NotSignedInError
from ..models import ENDED, Customer, PaymentMethod, Subscription, SubscriptionChange
from ..owners import Owner
from ..state import state
from ..subscriptions.cancel import RECORDED
from . import account_rows, fragments
from .redirects import configured_url, is_local_path


@dataclasses.dataclass(frozen=True)
class Visitor:
    """The signed-in customer and their access.

    :param had_trial: whether their one trial began, whatever became of it.
    :param change: what waits to happen to the live subscription.
    :param method: what the next invoice is charged to.
    """

    customer: Customer
    access: Access
    had_trial: bool
    change: SubscriptionChange | None
    method: PaymentMethod | None

    @property
    def live(self) -> Subscription | None:
        """The subscription that runs, paid or not; a checkout would be a second one."""
        found = self.access.subscription
        return found if found is not None and found.status not in ENDED else None

    @property
    def plan(self) -> Plan | None:
        """The plan they have: of the live subscription, else the free one."""
        if self.live is not None:
            return state().catalog.plan(self.live.plan or self.live.last_plan)

        return self.access.plan

    @property
    def is_leaving(self) -> bool:
        """Whether they cancelled, though Stripe could not be told of it yet."""
        return self.change is not None and self.change.state in RECORDED

    @property
    def can_manage(self) -> bool:
        """Whether the member may change the plan."""
        hook = state().hooks.can_manage_billing
        return hook is None or bool(hook())


def owner_mark() -> str | None:
    """What tells one owner from another in sessions and forms; None where nobody is signed in."""
    owner = current_owner()

    if owner is None:
        return None

    return hashlib.sha256(f"{owner.type}\0{owner.id}".encode()).hexdigest()[:16]


def find_visitor(*, afresh: bool = False) -> Visitor | None:
    """Who looks, or None where nobody is signed in.

    :param afresh: reads again what this request may have changed.
    """
    owner = current_owner()

    if owner is None:
        return None

    # One application context may see several owners, as of a worker's tasks.
    known: tuple[Owner, Visitor] | None = g.get("billing_visitor")

    if known is None or known[0] != owner or afresh:
        known = g.billing_visitor = owner, _visitor(owner)

    return known[1]


def require_visitor(*, afresh: bool = False) -> Visitor:
    """Who looks.

    :param afresh: reads again what this request may have changed.
    :raises NotSignedInError: answered by :func:`ask_to_sign_in`.
    """
    found = find_visitor(afresh=afresh)

    if found is None:
        raise NotSignedInError

    return found


def require_manager() -> Visitor:
    """Who looks, if they may change the plan.

    :raises NotSignedInError: answered by :func:`ask_to_sign_in`.
    :raises Forbidden: for everybody else.
    """
    found = require_visitor()

    if not found.can_manage:
        raise Forbidden

    return found


def ask_to_sign_in(error: NotSignedInError | None = None) -> ResponseReturnValue:
    """Send people to the host's sign-in page and back; 401 where the host named none."""
    return sign_in_and_return(_page_in_view())


def sign_in_and_return(path: str) -> ResponseReturnValue:
    """Send people to the host's sign-in page, which finds ``path`` in ``?next=``."""
    sign_in = configured_url("BILLING_LOGIN_ENDPOINT", next=path)

    if sign_in is not None:
        return fragments.go(sign_in)

    return fragments.show("billing/signed_out.html", "billing/_signed_out.html", status=401)


def _visitor(owner: Owner) -> Visitor:
    account = account_rows.account_of(owner)

    if account is None:
        return Visitor(sign_in(owner, None), decide([]), False, None, None)

    access = decide(account.subscriptions)
    found = access.subscription
    return Visitor(
        sign_in(owner, account.customer),
        access,
        any(subscription.trial_start is not None for subscription in account.subscriptions),
        None if found is None or found.status in ENDED else account.change_of(found),
        account.method_of(found),
    )


def _page_in_view() -> str:
    """The page to come back to: this one, or the one a fragment or form belongs to."""
    if request.method == "GET" and not negotiation.wants_fragment():
        path = request.root_path + request.path
        query = request.query_string.decode(errors="replace")
        return f"{path}?{query}" if query else path

    current = request.headers.get("HX-Current-URL", "")
    own = f"{request.scheme}://{request.host}/"
    path = "/" + current.removeprefix(own) if current.startswith(own) else ""
    return path if is_local_path(path) else url_for("billing.overview")
