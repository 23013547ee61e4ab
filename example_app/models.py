"""The app's own tables. Billing keeps its tables apart, and these know nothing of it."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .extensions import Base


class Workspace(Base):
    """Who writes with Linnet, and who pays."""

    __tablename__ = "workspace"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    email: Mapped[str] = mapped_column(sa.String(255))
    #: What a visitor of the demo sees as this workspace, for the sign-in page.
    story: Mapped[str] = mapped_column(sa.String(200))


class Draft(Base):
    """One generated text. Its words are not kept: topic, length and key make them again."""

    __tablename__ = "draft"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(sa.ForeignKey(Workspace.id), index=True)
    topic: Mapped[str] = mapped_column(sa.String(120))
    length: Mapped[str] = mapped_column(sa.String(16))
    #: Made by the form, so that sending it twice makes one draft.
    key: Mapped[str] = mapped_column(sa.String(200))
    words: Mapped[int]
    tokens: Mapped[int]
    created_at: Mapped[datetime]
