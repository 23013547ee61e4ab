"""Deliveries from Stripe: verified, kept, processed."""
