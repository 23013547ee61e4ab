"""Object ids in the form Stripe gives them."""

import os

_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LETTERS = bytes(ord(_ALPHABET[byte % 62]) for byte in range(256))
_LENGTHS = {"cus": 14, "prod": 14, "si": 14, "req": 14, "whsec": 32, "we": 24}
_VERSIONED = {"pi": "3", "ch": "3", "re": "3", "txn": "3", "pyr": "3"}


def random_text(length: int) -> str:
    """Letters and digits that nobody can guess."""
    return os.urandom(length).translate(_LETTERS).decode()


def new_id(prefix: str) -> str:
    """Mint an id such as ``cus_TL2wOKapdYV2oF`` or ``sub_1SRzqCKXBGcbgpbZ9C2XUF1a``."""
    if prefix in _LENGTHS:
        return f"{prefix}_{random_text(_LENGTHS[prefix])}"
    return f"{prefix}_{_VERSIONED.get(prefix, '1')}{random_text(23)}"


def new_session_id(letter: str) -> str:
    """Mint a Checkout Session id; ``letter`` is ``a`` for payments and ``c`` for setups."""
    return f"cs_test_{letter}1{random_text(56)}"


def new_invoice_prefix() -> str:
    """The eight characters before a customer's invoice numbers."""
    return random_text(8).upper()
