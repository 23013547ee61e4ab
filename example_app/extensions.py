"""The extensions of the app, created once and given to it by ``create_app``."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase

from flask_billing import Billing


class Base(DeclarativeBase):
    """The app's own declarative base."""


db = SQLAlchemy(model_class=Base)
csrf = CSRFProtect()
billing = Billing(db=db)
