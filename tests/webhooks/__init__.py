"""Deliveries from Stripe, from the signature to the rows."""
