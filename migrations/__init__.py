"""The Alembic history of the billing tables. Ships as ``flask_billing.migrations``."""
