"""Webhooks: queued with what caused them, delivered after the answer, signed and retried."""

from flask_billing.sandbox.webhooks.handle import Order, Webhooks
from flask_billing.sandbox.webhooks.queue import Delivery

__all__ = ["Delivery", "Order", "Webhooks"]
