"""billing retention visits and redemptions

Revision ID: 16c1bbf4cb25
Revises: fac5e8769300

"""

import sqlalchemy as sa
from alembic import op

revision = "16c1bbf4cb25"
down_revision = "fac5e8769300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("billing_cancellation", schema=None) as batch_op:
        batch_op.alter_column(
            "variant",
            existing_type=sa.String(length=64),
            type_=sa.String(length=96),
            existing_nullable=True,
        )
        batch_op.create_index(
            batch_op.f("ix_billing_cancellation_finished_at"), ["finished_at"], unique=False
        )
        batch_op.create_index(
            "uq_billing_cancellation_open",
            ["customer_id", "source"],
            unique=True,
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        )

    # Nothing wrote redemptions before, so there is no row to fill these in for.
    with op.batch_alter_table("billing_offer_redemption", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=16), nullable=False))
        batch_op.add_column(sa.Column("terms", sa.Text(), nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("billing_offer_redemption", schema=None) as batch_op:
        batch_op.drop_column("terms")
        batch_op.drop_column("kind")

    with op.batch_alter_table("billing_cancellation", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_billing_cancellation_open",
            sqlite_where=sa.text("outcome IS NULL"),
            postgresql_where=sa.text("outcome IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_billing_cancellation_finished_at"))
        batch_op.alter_column(
            "variant",
            existing_type=sa.String(length=96),
            type_=sa.String(length=64),
            existing_nullable=True,
        )
