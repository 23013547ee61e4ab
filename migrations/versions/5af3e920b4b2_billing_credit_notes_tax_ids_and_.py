"""billing credit notes, tax ids and intents beside the plan

Revision ID: 5af3e920b4b2
Revises: 3426c57743a1

"""

import sqlalchemy as sa
from alembic import op

revision = "5af3e920b4b2"
down_revision = "3426c57743a1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "billing_customer_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing_customer.id"], name="fk_billing_customer_change_customer_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_billing_customer_change"),
    )
    with op.batch_alter_table("billing_customer_change", schema=None) as batch_op:
        batch_op.create_index(
            "ix_billing_customer_change_state_asked_at", ["state", "asked_at"], unique=False
        )
        batch_op.create_index(
            "uq_billing_customer_change_open",
            ["customer_id", "kind", "subject"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "billing_credit_note",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "invoice_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("stripe_id", sa.String(length=255), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing_customer.id"], name="fk_billing_credit_note_customer_id"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing_invoice.id"], name="fk_billing_credit_note_invoice_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_billing_credit_note"),
        sa.UniqueConstraint("stripe_id", name="uq_billing_credit_note_stripe_id"),
    )
    with op.batch_alter_table("billing_credit_note", schema=None) as batch_op:
        batch_op.create_index("ix_billing_credit_note_invoice_id", ["invoice_id"], unique=False)

    with op.batch_alter_table("billing_customer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tax_ids", sa.JSON(), nullable=True))

    with op.batch_alter_table("billing_invoice", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("credits_ticket", sa.BigInteger(), server_default="0", nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table("billing_invoice", schema=None) as batch_op:
        batch_op.drop_column("credits_ticket")

    with op.batch_alter_table("billing_customer", schema=None) as batch_op:
        batch_op.drop_column("tax_ids")

    with op.batch_alter_table("billing_credit_note", schema=None) as batch_op:
        batch_op.drop_index("ix_billing_credit_note_invoice_id")

    op.drop_table("billing_credit_note")
    with op.batch_alter_table("billing_customer_change", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_billing_customer_change_open",
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )
        batch_op.drop_index("ix_billing_customer_change_state_asked_at")

    op.drop_table("billing_customer_change")
