"""Disputes: a bank takes a charge back, and evidence decides who keeps the money."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.cards import card_of
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.inferred import DISPUTE_DUE_DAYS, DISPUTE_FEE, DISPUTE_SECONDS
from flask_billing.sandbox.settings import DAY

_OPEN = {"needs_response", "under_review"}
_TASK = "charge.dispute"
#: What a network calls a fraudulent payment.
_REASON_CODES = {"visa": "10.4", "mastercard": "4837", "amex": "F29"}
#: Evidence in ``uncategorized_text`` with which test mode decides.
_VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}
_EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def expect(account: Account, charge: Body) -> None:
    """Appoint the dispute of a captured charge, if its card is one that disputes."""
    method = account.get("payment_method", charge["payment_method"])
    if method and method["type"] == "card" and card_of(method).behaviour == "disputes":
        account.schedule(account.now + DISPUTE_SECONDS, _TASK, charge["id"])


def open_dispute(account: Account, charge: Body) -> None:
    """The bank takes back what of a charge was not refunded; emits ``charge.dispute.created``."""
    amount = charge["amount_captured"] - charge["amount_refunded"]
    if amount < 1 or charge["disputed"]:
        return
    card = charge["payment_method_details"]["card"]
    code = _REASON_CODES.get(card["brand"])
    dispute = account.add(
        {
            "id": new_id("dp"),
            "object": "dispute",
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "created": account.now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "due_by": (account.now // DAY + DISPUTE_DUE_DAYS + 1) * DAY - 1,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "intended_submission_method": None,
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "network_reason_code": code,
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": card["brand"],
                    "case_type": "chargeback",
                    "network": card["network"],
                    "network_reason_code": code,
                },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": "needs_response",
        }
    )
    charge.update(disputed=True, dispute=dispute["id"])
    account.save(charge)
    account.emit("charge.dispute.created", dispute)
    _move_funds(account, dispute, -amount, "charge.dispute.funds_withdrawn", DISPUTE_FEE)


def submit(account: Account, dispute: Body) -> None:
    """Send the staged evidence to the bank; in test mode its text may decide at once."""
    details = dispute["evidence_details"]
    dispute["status"] = "under_review"
    details.update(submission_count=details["submission_count"] + 1, submission_method="manual")


def decide(account: Account, dispute: Body) -> None:
    """Close a dispute under review whose evidence says how test mode ends it."""
    verdict = _VERDICTS.get(dispute["evidence"]["uncategorized_text"])
    if dispute["status"] == "under_review" and verdict:
        _close(account, dispute, verdict)


def accept(account: Account, dispute: Body) -> None:
    """Give the money up; emits ``charge.dispute.closed``."""
    check_is_open(dispute)
    _close(account, dispute, "lost")


def check_is_open(dispute: Body) -> None:
    """Refuse what only a dispute that is not decided yet allows."""
    if dispute["status"] not in _OPEN:
        raise invalid(f"This dispute is already closed: it was {dispute['status']}.")


def _close(account: Account, dispute: Body, status: str) -> None:
    dispute["status"] = status
    account.save(dispute)
    account.emit("charge.dispute.closed", dispute)
    if status == "won":
        _move_funds(account, dispute, dispute["amount"], "charge.dispute.funds_reinstated", 0)


def _move_funds(account: Account, dispute: Body, amount: int, event: str, fee: int) -> None:
    """Take the money of a dispute from the account's balance, or put it back."""
    what = "reversal" if amount > 0 else "withdrawal"
    detail = {
        "amount": fee,
        "application": None,
        "currency": dispute["currency"],
        "description": "Dispute fee",
        "type": "stripe_fee",
    }
    dispute["balance_transactions"].append(
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": account.now,
            "balance_type": "payments",
            "created": account.now,
            "currency": dispute["currency"],
            "description": f"Chargeback {what} for {dispute['charge']}",
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [detail] if fee else [],
            "net": amount - fee,
            "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
            "source": dispute["id"],
            "status": "available",
            "type": "adjustment",
        }
    )
    account.save(dispute)
    account.emit(event, dispute)
