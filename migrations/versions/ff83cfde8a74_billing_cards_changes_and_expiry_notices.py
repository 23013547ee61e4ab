"""billing cards: changes and expiry notices

Revision ID: ff83cfde8a74
Revises: 5af3e920b4b2

"""

import sqlalchemy as sa
from alembic import op

revision = "ff83cfde8a74"
down_revision = "5af3e920b4b2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_payment_method_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(length=255), nullable=True),
        sa.Column("successor", sa.String(length=255), nullable=True),
        sa.Column("intent_id", sa.String(length=255), nullable=True),
        sa.Column("makes_default", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["billing_customer.id"],
            name="fk_billing_payment_method_change_customer_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_billing_payment_method_change"),
        sa.UniqueConstraint("intent_id", name="uq_billing_payment_method_change_intent_id"),
    )
    with op.batch_alter_table("billing_payment_method_change", schema=None) as batch_op:
        batch_op.create_index(
            "ix_billing_payment_method_change_customer_id_created_at",
            ["customer_id", "created_at"],
            unique=False,
        )
        batch_op.create_index(
            "uq_billing_payment_method_change_open",
            ["customer_id"],
            unique=True,
            sqlite_where=sa.text("state = 'open' AND kind <> 'add'"),
            postgresql_where=sa.text("state = 'open' AND kind <> 'add'"),
        )

    with op.batch_alter_table("billing_payment_method", schema=None) as batch_op:
        batch_op.add_column(sa.Column("expiry_announced", sa.String(length=16), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("billing_payment_method", schema=None) as batch_op:
        batch_op.drop_column("expiry_announced")

    with op.batch_alter_table("billing_payment_method_change", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_billing_payment_method_change_open",
            sqlite_where=sa.text("state = 'open' AND kind <> 'add'"),
            postgresql_where=sa.text("state = 'open' AND kind <> 'add'"),
        )
        batch_op.drop_index("ix_billing_payment_method_change_customer_id_created_at")

    op.drop_table("billing_payment_method_change")
