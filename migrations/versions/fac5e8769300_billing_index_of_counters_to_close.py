"""billing index of counters to close

Revision ID: fac5e8769300
Revises: 5b0f6ad2c9e1

"""

import sqlalchemy as sa
from alembic import op

revision = "fac5e8769300"
down_revision = "5b0f6ad2c9e1"
branch_labels = None
depends_on = None

INDEX = "ix_billing_usage_counter_period_end"
TO_REPORT = "ix_billing_usage_counter_meter_period_end_customer_id_bucket"
OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("billing_usage_counter", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f(INDEX),
            ["period_end"],
            unique=False,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        )
        batch_op.create_index(
            batch_op.f(TO_REPORT),
            ["meter", "period_end", "customer_id", "bucket"],
            unique=False,
        )


def downgrade() -> None:
    with op.batch_alter_table("billing_usage_counter", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f(TO_REPORT))
        batch_op.drop_index(batch_op.f(INDEX), sqlite_where=OPEN, postgresql_where=OPEN)
