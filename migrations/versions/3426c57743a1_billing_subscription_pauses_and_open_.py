"""billing subscription pauses and open changes

Revision ID: 3426c57743a1
Revises: 3d42d088bad5

"""

import sqlalchemy as sa
from alembic import op

revision = "3426c57743a1"
down_revision = "3d42d088bad5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("billing_subscription", schema=None) as batch_op:
        batch_op.add_column(sa.Column("pause_starts_at", sa.DateTime(timezone=True)))
        batch_op.add_column(sa.Column("pending_until", sa.DateTime(timezone=True)))

    with op.batch_alter_table("billing_subscription_change", schema=None) as batch_op:
        batch_op.add_column(sa.Column("from_quantity", sa.BigInteger()))
        batch_op.add_column(sa.Column("asked_at", sa.DateTime(timezone=True)))
        batch_op.create_index(
            "uq_billing_subscription_change_open",
            ["subscription_id"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )


def downgrade() -> None:
    with op.batch_alter_table("billing_subscription_change", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_billing_subscription_change_open",
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )
        batch_op.drop_column("asked_at")
        batch_op.drop_column("from_quantity")

    with op.batch_alter_table("billing_subscription", schema=None) as batch_op:
        batch_op.drop_column("pending_until")
        batch_op.drop_column("pause_starts_at")
